"""The stages of the line and the kernel below them; knows neither Prefect nor BentoML."""
