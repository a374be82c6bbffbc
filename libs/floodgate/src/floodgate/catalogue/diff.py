"""What changes between two versions, in the words of those who edit the catalogue. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from floodgate.catalogue.diff_renames import renamed, with_new_names
from floodgate.catalogue.diff_workflows import workflow_changes
from floodgate.catalogue.models import (
    Article,
    Automation,
    Bar,
    Catalogue,
    Category,
    KnowledgeSource,
    Path,
    Team,
    Template,
    Thresholds,
    UrgencyRule,
)
from floodgate.catalogue.queries import by_id

_LEVELS: Final = (Automation.OFF, Automation.SHADOW, Automation.PROPOSE, Automation.ON)
_OF_TEXTS: Final = 3
_READ_BY: Final = frozenset({"kind", "location", "allow", "deny"})


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different.

    Attributes:
        area: Which part: "category", "threshold", "workflow" and so on.
        subject: Its id, or the language or country.
        text: What is different.
        care: Why somebody should look twice; empty where nobody has to.
    """

    area: str
    subject: str
    text: str
    care: str = ""


def compare(before: Catalogue, after: Catalogue) -> list[Change]:
    """Every change from one version to another; none when they say the same."""
    names = renamed(before, after)
    # Whatever names a renamed category follows it: told is the new name once, and not at every place.
    known = with_new_names(before, names)
    found = [Change("category", new, f"renamed, was {old}") for old, new in names.items()]
    return found + [change for part in _PARTS for change in part(known, after)]


def _site(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    if before.company != after.company:
        yield Change("site", "company", f"called {after.company}, was {before.company}")
    if before.default_language != after.default_language:
        yield Change("site", "default language", f"{before.default_language} → {after.default_language}")
    if before.max_redirects != after.max_redirects:
        text = f"{before.max_redirects} → {after.max_redirects}"
        care = "users are sent on more often before a person takes over"
        yield Change("site", "redirects at most", text, care if after.max_redirects > before.max_redirects else "")
    for area, old, new in (
        ("language", before.languages, after.languages),
        ("country", before.countries, after.countries),
    ):
        for code in _added(old, new):
            yield Change(area, code, "is served from now on")
        for code in _added(new, old):
            yield Change(area, code, "is not served any more", "its users get the default language")
    for area, old, new in (("topic", before.topics, after.topics), ("intent", before.intents, after.intents)):
        for code in _added(old, new):
            yield Change(area, code, "added to the feature record's closed set")
        for code in _added(new, old):
            yield Change(area, code, "removed from the feature record's closed set")


def _thresholds(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    yield from _threshold_changes("everywhere", before.thresholds, after.thresholds)
    for kind, old, new in (
        ("category", before.category_thresholds, after.category_thresholds),
        ("country", before.country_thresholds, after.country_thresholds),
        ("language", before.language_thresholds, after.language_thresholds),
    ):
        for key in sorted(old.keys() | new.keys()):
            # What a layer leaves out is inherited: compared is what it says itself, and what it falls back to.
            was = _merged(before.thresholds, old.get(key))
            now = _merged(after.thresholds, new.get(key))
            set_by_it = _said(old.get(key)) | _said(new.get(key))
            yield from _threshold_changes(f"{kind} {key}", was, now, only=set_by_it)


def _calibration(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    old, new = (one.calibration.version if one.calibration else "none" for one in (before, after))
    if before.calibration != after.calibration:
        yield Change("calibration", "features", f"{old} → {new}", "feature_set_version changes" if old != new else "")


def _cascade(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    old, new = before.cascade.certainty, after.cascade.certainty
    for language in sorted(old.keys() | new.keys()):
        was, now = old.get(language), new.get(language)
        if was != now:
            more = now is not None and (was is None or now < was)
            told = f"local classifier {_certainty(was)} → {_certainty(now)}"
            yield Change("cascade", language, told, "more messages are decided without the model" if more else "")
    for name in ("audit_share", "max_error"):
        share, to = getattr(before.cascade, name), getattr(after.cascade, name)
        if share != to:
            looser = to < share if name == "audit_share" else to > share
            care = "the local classifier's errors are watched less closely" if looser else ""
            yield Change("cascade", name, f"{share:g} → {to:g}", care)


def _certainty(value: float | None) -> str:
    return "off" if value is None else f"from {value:g} on"


def _threshold_changes(
    subject: str, before: Thresholds, after: Thresholds, *, only: Collection[str] | None = None
) -> Iterator[Change]:
    for name in Thresholds.model_fields:
        was, now = getattr(before, name), getattr(after, name)
        if was != now and (only is None or name in only):
            yield Change("threshold", subject, f"{name} {was:g} → {now:g}", _threshold_care(name, was, now))


def _threshold_care(name: str, was: float, now: float) -> str:
    if name == "urgent":
        return "fewer messages count as urgent" if now > was else ""
    if now > was:
        return "more users are told that their path is wrong" if name == "belongs" else ""
    return {
        "misuse": "more messages wait in the low-priority queue",
        "automate_confidence": "workflows start on less evidence",
        "redirect_confidence": "users are sent elsewhere on less evidence",
        "min_confidence": "fewer messages go to a person for want of confidence",
    }.get(name, "")


def _merged(base: Thresholds, layer: Thresholds | None) -> Thresholds:
    return base.model_copy(update={name: getattr(layer, name) for name in _said(layer)})


def _said(layer: Thresholds | None) -> set[str]:
    return layer.model_fields_set if layer is not None else set()


def _categories(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    old, new = by_id(before.categories), by_id(after.categories)
    for key, category in old.items():
        if key not in new:
            care = "it may never be automated, and nothing says so any more" if category.never_automate else ""
            yield Change("category", key, "removed", care)
    for key, category in new.items():
        if key in old:
            yield from _category_changes(old[key], category)
        else:
            yield Change("category", key, f"added: {_described(category, after)}", _automation_care(None, category))


def _described(category: Category, catalogue: Catalogue) -> str:
    count = sum(len(texts) for texts in category.examples.values())
    title = category.title.get(catalogue.default_language, category.id)
    workflow = f", workflow {category.workflow}" if category.workflow else ""
    return f"“{title}”, automation {category.automation.value}{workflow}, {count} examples"


def _category_changes(old: Category, new: Category) -> Iterator[Change]:
    def change(text: str, care: str = "") -> Change:
        return Change("category", new.id, text, care)

    if old.automation is not new.automation:
        text = f"automation {old.automation.value} → {new.automation.value}"
        yield change(text, _automation_care(old, new))
    if old.never_automate and not new.never_automate:
        yield change("never_automate removed", "a person always had to decide here")
    if new.never_automate and not old.never_automate:
        yield change("marked never_automate")
    if old.workflow != new.workflow:
        care = "another procedure runs for these users" if new.automation is not Automation.OFF else ""
        yield change(f"workflow {old.workflow or 'none'} → {new.workflow or 'none'}", care)
    for name in Bar.model_fields if old.bar != new.bar else ():
        was, now = getattr(old.bar, name), getattr(new.bar, name)
        if was != now:
            yield change(f"bar {name} {was} → {now}", "another measure for automation")
    for name in ("team", "path", "owner", "review_by"):
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            yield change(f"{name} {was} → {now}")
    for code in _added(old.confusable_with, new.confusable_with):
        yield change(f"confusable with {code}")
    for code in _added(new.confusable_with, old.confusable_with):
        yield change(f"not confusable with {code} any more")
    yield from _text_changes("category", new.id, "title", old.title, new.title)
    yield from _list_changes("category", new.id, "example", old.examples, new.examples)


def _automation_care(old: Category | None, new: Category) -> str:
    was = old.automation if old is not None else Automation.OFF
    if _LEVELS.index(new.automation) <= _LEVELS.index(was):
        return ""
    return "automation raised"


def _paths(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    def changes(old: Path, new: Path) -> Iterator[Change]:
        if (old.category, old.generic) != (new.category, new.generic):
            yield Change("path", new.id, f"leads to {_target(new)}, was {_target(old)}")
        yield from _text_changes("path", new.id, "label", old.label, new.label)

    yield from _items("path", by_id(before.paths), by_id(after.paths), changes)


def _target(path: Path) -> str:
    return "no category (generic)" if path.generic else str(path.category)


def _urgency(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    def changes(old: UrgencyRule, new: UrgencyRule) -> Iterator[Change]:
        for name in ("title", "team", "owner", "review_by"):
            if getattr(old, name) != getattr(new, name):
                yield Change("urgency rule", new.id, f"{name} {getattr(old, name)} → {getattr(new, name)}")
        if old.reply != new.reply:
            text = f"reply {old.reply or 'none'} → {new.reply or 'none'}"
            yield Change("urgency rule", new.id, text, "approved wording is another")
        if old.quarantine_never and not new.quarantine_never:
            yield Change("urgency rule", new.id, "may be quarantined", "an urgent message could wait")
        if new.quarantine_never and not old.quarantine_never:
            yield Change("urgency rule", new.id, "is never quarantined")
        care = "these words do not make a message urgent any more"
        yield from _list_changes("urgency rule", new.id, "phrase", old.phrases, new.phrases, care_when_removed=care)

    care = "what it recognised is not urgent any more"
    yield from _items("urgency rule", by_id(before.urgency), by_id(after.urgency), changes, care_when_removed=care)


def _teams(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    def changes(old: Team, new: Team) -> Iterator[Change]:
        for name in ("title", "intercom_team_id", "owner", "review_by", "time_zone", "capacity"):
            if getattr(old, name) != getattr(new, name):
                yield Change("team", new.id, f"{name} {getattr(old, name)} → {getattr(new, name)}")
        for name in ("hours", "holidays"):
            if getattr(old, name) != getattr(new, name):
                yield Change("team", new.id, f"{name} changed", "users are told when the team is there")
        if old.low_priority != new.low_priority:
            care = "nobody watches its queue all day" if new.low_priority else ""
            yield Change("team", new.id, "low priority" if new.low_priority else "not low priority any more", care)

    yield from _items("team", by_id(before.teams), by_id(after.teams), changes)


def _templates(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    approved = {rule.reply for rule in (*before.urgency, *after.urgency)}

    def changes(old: Template, new: Template) -> Iterator[Change]:
        care = "wording that was approved for urgent cases" if new.id in approved else ""
        yield from _text_changes("template", new.id, "text", old.texts, new.texts, care=care)
        for name in ("owner", "review_by"):
            if getattr(old, name) != getattr(new, name):
                yield Change("template", new.id, f"{name} {getattr(old, name)} → {getattr(new, name)}")

    yield from _items("template", by_id(before.templates), by_id(after.templates), changes)


def _articles(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    def by_place(catalogue: Catalogue) -> dict[str, Article]:
        return {f"{article.language}/{article.id}": article for article in catalogue.articles}

    def changes(old: Article, new: Article) -> Iterator[Change]:
        subject = f"{new.language}/{new.id}"
        if old.body != new.body:
            words = len(new.body.split()) - len(old.body.split())
            yield Change("knowledge", subject, f"text changed ({words:+d} words)" if words else "text changed")
        for name in ("title", "category", "owner", "review_by"):
            if getattr(old, name) != getattr(new, name):
                yield Change("knowledge", subject, f"{name} {getattr(old, name)} → {getattr(new, name)}")
        if old.countries != new.countries:
            was, now = (", ".join(article.countries) or "everywhere" for article in (old, new))
            yield Change("knowledge", subject, f"holds in {now}, was {was}")

    yield from _items("knowledge", by_place(before), by_place(after), changes)


def _sources(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    def changes(old: KnowledgeSource, new: KnowledgeSource) -> Iterator[Change]:
        for name in KnowledgeSource.model_fields:
            if getattr(old, name) != getattr(new, name):
                care = "other texts may be read and told to users" if name in _READ_BY else ""
                yield Change("source", new.id, f"{name} {getattr(old, name)} → {getattr(new, name)}", care)

    yield from _items("source", by_id(before.sources), by_id(after.sources), changes)


def _workflows(before: Catalogue, after: Catalogue) -> Iterator[Change]:
    for key in sorted(before.workflows.keys() | after.workflows.keys()):
        for text, care in workflow_changes(before.workflows.get(key), after.workflows.get(key)):
            yield Change("workflow", key, text, care)


def _items(
    area: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    changes: Callable[[Any, Any], Iterator[Change]],
    *,
    care_when_removed: str = "",
) -> Iterator[Change]:
    for key in old:
        if key not in new:
            yield Change(area, key, "removed", care_when_removed)
    for key, item in new.items():
        if key not in old:
            yield Change(area, key, "added")
        else:
            yield from changes(old[key], item)


def _text_changes(
    area: str, subject: str, what: str, old: Mapping[str, str], new: Mapping[str, str], *, care: str = ""
) -> Iterator[Change]:
    by_kind = {
        "added": sorted(new.keys() - old.keys()),
        "changed": sorted(key for key in old.keys() & new.keys() if old[key] != new[key]),
        "removed": sorted(old.keys() - new.keys()),
    }
    for kind, languages in by_kind.items():
        if languages:
            yield Change(area, subject, f"{what} {kind} in {', '.join(languages)}", "" if kind == "added" else care)


def _list_changes(
    area: str,
    subject: str,
    what: str,
    old: Mapping[str, Sequence[str]],
    new: Mapping[str, Sequence[str]],
    *,
    care_when_removed: str = "",
) -> Iterator[Change]:
    for language in sorted(old.keys() | new.keys()):
        was, now = old.get(language, ()), new.get(language, ())
        come, gone = _added(was, now), _added(now, was)
        if come:
            yield Change(area, subject, f"{_counted(len(come), what)} added in {language}: {_quoted(come)}")
        if gone:
            text = f"{_counted(len(gone), what)} removed in {language}: {_quoted(gone)}"
            yield Change(area, subject, text, care_when_removed)


def _added(old: Sequence[str], new: Sequence[str]) -> list[str]:
    known = set(old)
    return [item for item in new if item not in known]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _quoted(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _OF_TEXTS} more" if len(texts) > _OF_TEXTS else ""
    return ", ".join(f"“{text}”" for text in texts[:_OF_TEXTS]) + more


_PARTS: Final[tuple[Callable[[Catalogue, Catalogue], Iterator[Change]], ...]] = (
    _site,
    _thresholds,
    _calibration,
    _cascade,
    _categories,
    _paths,
    _urgency,
    _teams,
    _templates,
    _workflows,
    _articles,
    _sources,
)
