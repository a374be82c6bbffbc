// Theme, live parts, busy buttons. Everything works without this file; it only keeps pages fresh.

const root = document.documentElement;
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const toggle = document.getElementById("theme");

const shown = () => root.dataset.theme || (dark.matches ? "dark" : "light");
const label = () => {
  if (toggle) toggle.textContent = shown() === "dark" ? "Light theme" : "Dark theme";
};
toggle?.addEventListener("click", () => {
  root.dataset.theme = shown() === "dark" ? "light" : "dark";
  document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  label();
});
dark.addEventListener("change", label);
label();

document.getElementById("print")?.addEventListener("click", () => window.print());

for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button) return;
    // After the submit, so that the button's own value is sent.
    setTimeout(() => {
      button.setAttribute("aria-busy", "true");
      if (form.dataset.busy) button.textContent = form.dataset.busy;
    });
  });
}

// Parts that change are fetched anew when the server says so, at most every two seconds.
const parts = () => document.querySelectorAll("[data-live]");
const busy = () => [...parts()].some((part) => part.contains(document.activeElement) && document.activeElement !== part);
let waiting = false;
let last = Date.now();

async function refresh() {
  waiting = false;
  if (document.hidden || busy()) return;
  last = Date.now();
  const answer = await fetch(location.href, { headers: { "X-Live": "1" } }).catch(() => null);
  if (!answer?.ok || answer.redirected || busy()) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelectorAll("[data-live]");
  const old = parts();
  if (fresh.length !== old.length) return;
  old.forEach((part, place) => {
    if (part.innerHTML === fresh[place].innerHTML) return;
    const open = [...part.querySelectorAll("details")].map((one) => one.open);
    part.replaceChildren(...fresh[place].childNodes);
    const details = part.querySelectorAll("details");
    if (details.length === open.length) details.forEach((one, number) => (one.open = open[number]));
  });
}

if (parts().length && "EventSource" in window) {
  const events = new EventSource("/events");
  let first = true;
  events.addEventListener("changed", () => {
    if (first) {
      first = false; // the page itself is as new
      return;
    }
    if (waiting) return;
    waiting = true;
    setTimeout(refresh, Math.max(0, 700 - (Date.now() - last)));
  });
  addEventListener("pagehide", () => events.close());
}
