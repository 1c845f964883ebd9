import pytest

from mobilebert_tf.errors import first_line


@pytest.mark.parametrize(
    ("error", "otherwise", "expected"),
    [
        (ValueError("\n  too long \nsee the manual"), "", "too long"),
        (ValueError(""), "", "ValueError"),
        (ValueError(" \n"), "no message", "no message"),
        (MemoryError(), "", "MemoryError"),
        ("as text\nand more", "", "as text"),
        ("", "", ""),
        ("", "no reason given", "no reason given"),
    ],
)
def test_first_line_of_a_message(error: BaseException | str, otherwise: str, expected: str) -> None:
    assert first_line(error, otherwise) == expected
