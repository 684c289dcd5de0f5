"""The short way to Chinese mobile numbers leads where the long one does."""

from hypothesis import given
from hypothesis import strategies as st

from profiles.normalisers.phone import parsed, phone

digits = st.text("0123456789", min_size=9, max_size=9)


@given(
    st.sampled_from(["", "+86", "+86 ", "+86-"]),
    digits.map(lambda rest: f"1{rest}0"[:11]),
    st.sampled_from(["", " ", "-"]),
    st.sampled_from(["CN", "US"]),
)
def test_a_chinese_mobile_number_is_what_the_library_says(code, number, gap, region):
    written = f"{code}{number[:3]}{gap}{number[3:7]}{gap}{number[7:]}"

    assert phone(written, region) == parsed(written, region)
