"""Files of a till and a shop, and what their columns mean."""

from datetime import UTC, datetime

NOW = datetime(2026, 6, 1, tzinfo=UTC)

MEMBERS = """Card,Phone,Name,City,Joined,SMS
VIP 001,138 0013 8000,张三,上海,2025/1/31,yes
VIP 002,null,"Li, Si",,2025-02-01 09:05,0

VIP 003,000,Wang,北京,2025-02-01T09:05:00Z,
,000,Nobody,,2025-02-01,1
"""
MEMBERS_MAPPING = {
    "identifiers": {"Card": "member_card", "Phone": "phone"},
    "traits": {"Name": "name", "City": "city"},
    "consents": {"SMS": "sms"},
    "time": "Joined",
}
SALES = """Receipt;Card;Amount;Item;Day
R1;VIP001;99.50;tea;2026-01-02 10:00
R1;VIP001;99.50;tea;2026-01-02 10:00
R2;VIP001;1;tea;2026-01-02 10:00
"""
SALES_MAPPING = {
    "identifiers": {"Card": "member_card"},
    "event": "Order Completed",
    "properties": {"Amount": {"key": "total", "type": "number"}, "Item": "item"},
    "time": "Day",
    "timezone": "Europe/Oslo",
    "delimiter": ";",
}
