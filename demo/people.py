"""Made-up people for real purchases: names, places, numbers and addresses of nobody."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

CHINESE_SHARE = 0.85
DOMAINS = ("example.com", "example.com", "example.org", "example.net")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Surnames and given-name characters with their pinyin, the common first.
SURNAMES = _words(
    """
    王wang 李li 张zhang 刘liu 陈chen 杨yang 赵zhao 黄huang 周zhou 吴wu 徐xu 孙sun 胡hu 朱zhu 高gao 林lin 何he
    郭guo 马ma 罗luo 梁liang 宋song 郑zheng 谢xie 韩han 唐tang 冯feng 于yu 董dong 萧xiao 程cheng 曹cao 袁yuan
    邓deng 许xu 傅fu 沈shen 曾zeng 彭peng 吕lv 苏su 卢lu 蒋jiang 蔡cai 贾jia 丁ding 魏wei 薛xue 叶ye 阎yan
    欧阳ouyang
    """
)
MALE = _words(
    """
    伟wei 强qiang 磊lei 军jun 洋yang 勇yong 杰jie 涛tao 明ming 超chao 浩hao 宇yu 轩xuan 子zi 俊jun 建jian 国guo
    华hua 志zhi 文wen 鹏peng 飞fei 波bo 斌bin 辉hui 天tian 一yi 泽ze 博bo 晨chen
    """
)
FEMALE = _words(
    """
    芳fang 娜na 敏min 静jing 丽li 艳yan 娟juan 霞xia 秀xiu 兰lan 燕yan 玲ling 桂gui 英ying 梅mei 雪xue 婷ting
    慧hui 欣xin 怡yi 佳jia 梦meng 琪qi 雨yu 倩qian 子zi 涵han 诗shi 思si 晓xiao
    """
)
ENGLISH_LAST = _words(
    """
    Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans Walker White Roberts
    Green Hall Wood Harris Martin Jackson Clarke Miller Davis Garcia Anderson Moore Lee Clark Lewis Young King
    Scott Baker Adams Campbell O'Brien
    """
)
ENGLISH_MALE = _words(
    """
    James John Robert Michael David William Thomas Daniel Matthew Andrew Mark Paul Peter Simon Ben Jack Oliver
    Harry George Luke
    """
)
ENGLISH_FEMALE = _words(
    """
    Mary Patricia Jennifer Linda Elizabeth Sarah Emma Olivia Sophie Emily Jessica Laura Anna Kate Lucy Alice
    Grace Chloe Ruth Helen
    """
)

# City, province or state, weight.
CHINESE_CITIES = (
    ("上海", "上海", 26), ("北京", "北京", 16), ("深圳", "广东", 12), ("广州", "广东", 11), ("杭州", "浙江", 10),
    ("成都", "四川", 9), ("南京", "江苏", 7), ("武汉", "湖北", 6), ("西安", "陕西", 5), ("重庆", "重庆", 5),
    ("苏州", "江苏", 5), ("天津", "天津", 4), ("长沙", "湖南", 3), ("青岛", "山东", 3), ("厦门", "福建", 2),
)  # fmt: skip
ENGLISH_CITIES = (
    ("Shanghai", "Shanghai", 40), ("Beijing", "Beijing", 20), ("Shenzhen", "Guangdong", 10),
    ("Hangzhou", "Zhejiang", 6), ("New York", "New York", 10), ("San Francisco", "California", 8),
    ("Seattle", "Washington", 6),
)  # fmt: skip
CHINESE_PREFIXES = (130, 131, 132, 135, 136, 137, 138, 139, 150, 151, 158, 159, 176, 177, 185, 186, 187, 188, 189, 199)
AMERICAN_AREAS = (
    201, 202, 206, 212, 213, 214, 215, 216, 301, 302, 303, 305, 310, 312, 313, 314, 404, 408, 412, 415, 503, 512, 602,
    617, 619, 702, 713, 718, 818, 917,
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """Somebody; `phone` is E.164, `email` normalised; `says_yes` is their word on mail, None if never asked."""

    number: int
    is_chinese: bool
    name: str
    gender: str
    birthday: date | None
    city: str
    province: str
    country: str
    language: str
    email: str
    phone: str
    says_yes: bool | None


def make_person(number: int, chance: random.Random) -> Person:
    """The person of a customer number, the same for the same `chance`. Numbers below 3,000 never share keys."""
    is_chinese = chance.random() < CHINESE_SHARE
    gender = chance.choice(["male", "female"])
    birthday = date(1952, 1, 1) + timedelta(days=int(chance.triangular(0, 20_800, 13_500)))
    name, spelled = _chinese_name(gender, chance) if is_chinese else _english_name(gender, chance)
    cities = CHINESE_CITIES if is_chinese else ENGLISH_CITIES
    city, province, _weight = chance.choices(cities, [weight for *_place, weight in cities])[0]
    return Person(
        number=number,
        is_chinese=is_chinese,
        name=name,
        gender=gender,
        birthday=birthday if chance.random() < 0.8 else None,
        city=city,
        province=province,
        country="US" if province in {"New York", "California", "Washington"} else "CN",
        language="zh-CN" if is_chinese else chance.choice(["en-US", "en-GB"]),
        email=f"{spelled}{number}@{chance.choice(DOMAINS)}",
        phone=_phone(number, is_chinese),
        says_yes=chance.choices([True, False, None], [70, 8, 22])[0],
    )


def write_phone(phone: str, way: int) -> str:
    """The number in one of five ways to write it (`way` 0 to 4), which all read alike in a Chinese shop."""
    if phone.startswith("+86"):
        a, b, c = phone[3:6], phone[6:10], phone[10:]
        wide = f"{a}{b}{c}".translate({ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)})
        return (f"{a}{b}{c}", f"{a} {b} {c}", f"{a}-{b}-{c}", f"+86 {a} {b} {c}", wide)[way]
    a, b, c = phone[2:5], phone[5:8], phone[8:]
    return (phone, f"+1 ({a}) {b}-{c}", f"+1-{a}-{b}-{c}", f"001 {a} {b} {c}", f"+1 {a}.{b}.{c}")[way]


def _chinese_name(gender: str, chance: random.Random) -> tuple[str, str]:
    weights = [1 / (rank + 3) for rank in range(len(SURNAMES))]
    surname = chance.choices(SURNAMES, weights)[0]
    given = chance.sample(MALE if gender == "male" else FEMALE, chance.choice([1, 2, 2]))
    return "".join(_split(part)[0] for part in (surname, *given)), "".join(
        _split(part)[1] for part in (surname, *given)
    )


def _english_name(gender: str, chance: random.Random) -> tuple[str, str]:
    first, last = chance.choice(ENGLISH_MALE if gender == "male" else ENGLISH_FEMALE), chance.choice(ENGLISH_LAST)
    return f"{first} {last}", f"{first}.{last}".lower().replace("'", "")


def _split(part: str) -> tuple[str, str]:
    """A character (or two) and its pinyin."""
    characters = part.rstrip("abcdefghijklmnopqrstuvwxyz")
    return characters, part[len(characters) :]


def _phone(number: int, is_chinese: bool) -> str:
    """A number of nobody, one a customer: Chinese 1xx 0000 xxxx, American 555-01xx."""
    if is_chinese:
        return f"+86{CHINESE_PREFIXES[number % 20]}0000{1_000 + number // 20}"
    return f"+1{AMERICAN_AREAS[number % 30]}55501{number // 30 % 100:02d}"
