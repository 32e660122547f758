"""Many requests meet in one inference, and none of them notices."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from components.settings import Settings
from serving.batching import Batcher
from serving.errors import Overloaded
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


def test_answers_go_to_those_who_asked(models: tuple[ServedModel, ServedModel]) -> None:
    sizes: list[int] = []

    async def ask() -> list[Inferred]:
        batcher = Batcher(16, 1000, lambda size, _: sizes.append(size))
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
        batcher = Batcher(16, 1000, lambda _, __: None)
        return await asyncio.gather(*(batcher.infer(models[at % 3 == 0], INPUTS[at : at + 1]) for at in range(60)))

    for at, answer in enumerate(asyncio.run(ask())):
        assert np.allclose(answer.answers, models[at % 3 == 0].infer(INPUTS[at : at + 1]).answers, atol=1e-6)


def test_a_full_queue_refuses_and_recovers(models: tuple[ServedModel, ServedModel]) -> None:
    async def ask() -> None:
        batcher = Batcher(16, 20, lambda _, __: None)
        waiting = [asyncio.create_task(batcher.infer(models[0], INPUTS[at : at + 10])) for at in (0, 10)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="20 samples"):
            await batcher.infer(models[0], INPUTS[:1])
        await asyncio.gather(*waiting)
        assert len((await batcher.infer(models[0], INPUTS[:16])).answers) == 16

    asyncio.run(ask())


def test_a_failing_inference_fails_its_own_requests_only(models: tuple[ServedModel, ServedModel]) -> None:
    async def ask() -> None:
        batcher = Batcher(16, 100, lambda _, __: None)
        bad = asyncio.create_task(batcher.infer(models[1], np.zeros((1, 5, 5, 1), np.uint8)))
        good = asyncio.create_task(batcher.infer(models[0], INPUTS[:2]))
        assert len((await good).answers) == 2
        with pytest.raises(Exception, match="inputs"):
            await bad
        assert len((await batcher.infer(models[1], INPUTS[:2])).answers) == 2

    asyncio.run(ask())


def test_a_client_that_goes_away_takes_nobody_with_it(models: tuple[ServedModel, ServedModel]) -> None:
    async def ask() -> None:
        batcher = Batcher(16, 100, lambda _, __: None)
        gone = asyncio.create_task(batcher.infer(models[0], INPUTS[:3]))
        stays = asyncio.create_task(batcher.infer(models[0], INPUTS[3:6]))
        await asyncio.sleep(0)
        gone.cancel()
        assert np.allclose((await stays).answers, models[0].infer(INPUTS[3:6]).answers, atol=1e-6)

    asyncio.run(ask())
