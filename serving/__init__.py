"""The server: BentoML answers over HTTP from the champion. Knows neither torch, Lightning, Ray, DVC nor Prefect."""
