"""Writes the JSON of each dashboard into the chart: `python -m dashboards`."""

from dashboards.generated import TARGET, texts

if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    for name, text in texts().items():
        (TARGET / name).write_text(text)
