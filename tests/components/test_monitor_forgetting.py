"""What people sent is not kept longer on the monitor's pages than in the log."""

from datetime import timedelta

from components.monitor import JudgedWindow, monitor
from components.monitor.history import judged_windows, monitor_folder, page_of
from components.monitor.watched import kept_of
from components.rolling import now
from tests.shelf import NAME, Shelf
from tests.traffic import log_answers, watching


def test_pages_go_with_the_answers_that_they_show_and_records_stay(shelf: Shelf) -> None:
    folder = monitor_folder(shelf.settings, NAME)
    first, second = shelf.promote(shelf.publish(0.0)), shelf.publish(0.05)
    for days in (31, 29):
        log_answers(shelf, first, at=now() - timedelta(days=days))
        assert isinstance(monitor(watching(), shelf.settings), JudgedWindow)
    gone, left = judged_windows(folder)
    assert not page_of(folder, gone).exists(), "its answers are older than 30 days"
    assert "data:image/png" in page_of(folder, left).read_text()
    index = (folder / "index.html").read_text()
    assert page_of(folder, left).name in index
    assert page_of(folder, gone).name not in index, "no link leads nowhere"
    assert f"{gone.until:%Y-%m-%d %H:%M:%S}" in index, "its figures are still there"
    assert kept_of(shelf.registry.version(first).digest, folder).exists()

    shelf.promote(second)
    log_answers(shelf, second)
    brief = shelf.settings.model_copy(update={"log_days": 7})
    assert isinstance(monitor(watching(), brief), JudgedWindow)
    assert not page_of(folder, left).exists()
    assert list((folder / "versions").iterdir()) == [kept_of(shelf.registry.version(second).digest, folder)]
    assert len(judged_windows(folder)) == 3
