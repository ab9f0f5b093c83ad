"""Any bytes at all as station.toml: valid settings, or one line that says what to write."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_app.cameras import opener
from edge_app.config import StationConfig, parse_config
from edge_app.errors import ConfigError

PATH = Path("/etc/kensa/station.toml")
EXAMPLE = (Path(__file__).parents[2] / "deploy" / "station.example.toml").read_bytes()
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")

KEYS = sorted(StationConfig.model_fields)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()


def check(data: bytes) -> None:
    try:
        config = parse_config(data, PATH)
    except ConfigError as error:
        message = str(error)
        assert message.startswith(str(PATH))
        assert len(message) > len(str(PATH)) + 10
        assert "Traceback" not in message
        assert "pydantic" not in message
    else:
        assert 1 <= config.threads <= 64
        assert config.source is None or callable(opener(config.source))


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    check(data)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    check(text.encode("utf-8", "surrogatepass"))


@given(st.integers(0, len(EXAMPLE)))
def test_a_half_written_file(length: int) -> None:
    check(EXAMPLE[:length])


@given(st.integers(0, len(EXAMPLE) - 1), st.integers(0, 255))
def test_one_wrong_byte(place: int, byte: int) -> None:
    check(EXAMPLE[:place] + bytes([byte]) + EXAMPLE[place + 1 :])


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(each):08x}" for each in value if not 0xD800 <= ord(each) <= 0xDFFF) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(toml(each) for each in value) + "]"
    return "{}" if value is None else str(value)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from([*KEYS, "treads", "sauce"]), SCALARS | st.lists(SCALARS, max_size=2)))
def test_any_value_for_any_key(table: dict[str, object]) -> None:
    check("".join(f"{key} = {toml(value)}\n" for key, value in table.items()).encode())


@given(st.text(max_size=60) | st.sampled_from(KEYS).flatmap(lambda kind: st.text().map(lambda rest: f"{kind}:{rest}")))
def test_any_address(address: str) -> None:
    try:
        opened = opener(address)
    except ConfigError as error:
        refused = str(error)
    else:
        assert callable(opened)
        return
    assert "source" in refused


def test_brackets_without_end() -> None:
    check(b"source = " + b"[" * 100_000)
    check(b"threads = " + b"9" * 10_000)
    check(b"x" * (2**20 + 1))
