"""`floodgate new-service`: a service with everything that the others have, from templates."""
