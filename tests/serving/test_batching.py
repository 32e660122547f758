"""Many requests meet in one inference, and none of them notices."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from components.settings import Settings
from serving.batching import Batcher, FreshBatcher
from serving.errors import Overloaded
from serving.graph import PIECE
from serving.model import Inferred, ServedModel, load_model
from tests.package_factory import digits, make_package

INPUTS = np.ascontiguousarray(digits().inputs[:200])


def served(folder: Path, bias: float, version: int) -> ServedModel:
    settings = Settings(home=folder / "home")
    package = folder / f"package-{bias}"
    make_package(package, settings, bias=bias)
    return load_model(package, version, settings.public_keys, max_batch=16)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[ServedModel, ServedModel]:
    folder = tmp_path_factory.mktemp("models")
    return served(folder, 0.0, 1), served(folder, 9.0, 2)


def test_a_large_request_is_inferred_in_pieces(models: tuple[ServedModel, ServedModel]) -> None:
    assert len(INPUTS) > 2 * PIECE
    whole = models[0].infer(INPUTS)
    for at in (0, PIECE - 1, PIECE, len(INPUTS) - 1):
        alone = models[0].infer(INPUTS[at : at + 1])
        assert np.allclose(alone.answers, whole.answers[at : at + 1], atol=1e-6)
        assert np.allclose(alone.features, whole.features[at : at + 1], atol=1e-5)


def test_answers_go_to_those_who_asked(models: tuple[ServedModel, ServedModel]) -> None:
    sizes: list[int] = []

    async def ask() -> list[Inferred]:
        batcher = Batcher(16, 1000, 10.0, lambda size, _: sizes.append(size))
        answers = await asyncio.gather(*(batcher.infer(models[0], INPUTS[at : at + 3]) for at in range(0, 198, 3)))
        await batcher.close()
        return answers

    given = asyncio.run(ask())
    whole = models[0].infer(INPUTS[:198])
    assert np.allclose(np.concatenate([each.answers for each in given]), whole.answers, atol=1e-6)
    assert np.allclose(np.concatenate([each.features for each in given]), whole.features, atol=1e-5)
    assert sum(sizes) == 198
    assert max(sizes) == 15, "five whole requests of three fit into sixteen"
    assert len(sizes) == 14


def test_each_request_is_answered_by_the_model_it_came_with(models: tuple[ServedModel, ServedModel]) -> None:
    async def ask() -> list[Inferred]:
        batcher = Batcher(16, 1000, 10.0, lambda _, __: None)
        return await asyncio.gather(*(batcher.infer(models[at % 3 == 0], INPUTS[at : at + 1]) for at in range(60)))

    for at, answer in enumerate(asyncio.run(ask())):
        assert np.allclose(answer.answers, models[at % 3 == 0].infer(INPUTS[at : at + 1]).answers, atol=1e-6)


def test_a_full_queue_refuses_and_recovers(models: tuple[ServedModel, ServedModel]) -> None:
    async def ask() -> None:
        batcher = Batcher(16, 20, 10.0, lambda _, __: None)
        waiting = [asyncio.create_task(batcher.infer(models[0], INPUTS[at : at + 10])) for at in (0, 10)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="20 samples"):
            await batcher.infer(models[0], INPUTS[:1])
        await asyncio.gather(*waiting)
        assert len((await batcher.infer(models[0], INPUTS[:16])).answers) == 16

    asyncio.run(ask())


class Slow:
    """A session that takes a hundredth of a second for a sample, on a clock that nothing else moves."""

    def __init__(self, session: InferenceSession) -> None:
        self._session, self.now = session, 0.0

    def time(self) -> float:
        return self.now

    def run(self, outputs: list[str], inputs: dict[str, NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        self.now += 0.01 * len(inputs["inputs"])
        return list(self._session.run(outputs, inputs))


def slowed(model: ServedModel) -> ServedModel:
    """The same model on such a session, whose clock is that of the event loop from now on."""
    session = Slow(model.session)
    asyncio.get_running_loop().time = session.time  # type: ignore[method-assign]
    return replace(model, session=cast(InferenceSession, session))


def test_who_would_wait_too_long_is_refused_at_once(models: tuple[ServedModel, ServedModel]) -> None:
    async def ask() -> None:
        slow, batcher = slowed(models[0]), Batcher(1, 1000, 0.205, lambda _, __: None)
        await asyncio.gather(*(batcher.infer(slow, INPUTS[at : at + 1]) for at in range(3)))  # it learns its pace
        waiting = [asyncio.create_task(batcher.infer(slow, INPUTS[at : at + 1])) for at in range(40)]
        done = await asyncio.gather(*waiting, return_exceptions=True)
        refused = [isinstance(each, Overloaded) for each in done]
        assert refused.index(True) == 20, "0.2 s of 0.01 s each"
        assert all(refused[refused.index(True) :]), "and nobody who came later is let in"
        assert len((await batcher.infer(slow, INPUTS[:60])).answers) == 60, "it is long, but waits for nobody"

    asyncio.run(ask())


def test_a_pace_that_was_slow_is_unlearnt_though_no_queue_forms_any_more(
    models: tuple[ServedModel, ServedModel],
) -> None:
    async def ask() -> None:
        slow, batcher = slowed(models[0]), Batcher(4, 1000, 0.045, lambda _, __: None)
        await asyncio.gather(*(batcher.infer(slow, INPUTS[at : at + 1]) for at in range(12)))

        async def answered() -> int:
            burst = (batcher.infer(models[0], INPUTS[at : at + 1]) for at in range(20))
            done = await asyncio.gather(*burst, return_exceptions=True)
            return sum(not isinstance(each, Overloaded) for each in done)

        assert await answered() == 4, "so few wait that each inference takes all of them"
        for _ in range(20):
            await answered()
        assert await answered() == 20

    asyncio.run(ask())


class Hanging:
    """A session that ends when it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()

    def run(self, outputs: list[str], inputs: dict[str, NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        self.let.wait()
        raise RuntimeError("it hung")


def test_a_model_that_hangs_holds_no_later_one(models: tuple[ServedModel, ServedModel]) -> None:
    session = Hanging()
    hung = replace(models[0], session=cast(InferenceSession, session))

    async def ask() -> None:
        fresh = FreshBatcher(lambda: Batcher(16, 100, 10.0, lambda _, __: None))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await fresh.of(hung).infer(hung, INPUTS[:1])
        assert fresh.of(hung) is fresh.of(hung)
        async with asyncio.timeout(10):
            assert len((await fresh.of(models[1]).infer(models[1], INPUTS[:2])).answers) == 2
        session.let.set()

    asyncio.run(ask())


def test_a_failing_inference_fails_its_own_requests_only(models: tuple[ServedModel, ServedModel]) -> None:
    async def ask() -> None:
        batcher = Batcher(16, 100, 10.0, lambda _, __: None)
        bad = asyncio.create_task(batcher.infer(models[1], np.zeros((1, 5, 5, 1), np.uint8)))
        good = asyncio.create_task(batcher.infer(models[0], INPUTS[:2]))
        assert len((await good).answers) == 2
        with pytest.raises(Exception, match="inputs"):
            await bad
        assert len((await batcher.infer(models[1], INPUTS[:2])).answers) == 2

    asyncio.run(ask())


def test_a_client_that_goes_away_takes_nobody_with_it(models: tuple[ServedModel, ServedModel]) -> None:
    async def ask() -> None:
        batcher = Batcher(16, 100, 10.0, lambda _, __: None)
        gone = asyncio.create_task(batcher.infer(models[0], INPUTS[:3]))
        stays = asyncio.create_task(batcher.infer(models[0], INPUTS[3:6]))
        await asyncio.sleep(0)
        gone.cancel()
        assert np.allclose((await stays).answers, models[0].infer(INPUTS[3:6]).answers, atol=1e-6)

    asyncio.run(ask())
