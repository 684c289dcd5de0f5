"""Names that columns have in the files of shops, tills and CRMs, in Chinese and English; compared by `guess.folded`."""

# Kind of identifier: names.
IDENTIFIERS = {
    "phone": (
        "手机 手机号 手机号码 手机号/电话 电话 电话号码 联系电话 联系方式 移动电话 会员手机 会员手机号 phone "
        "mobile tel telephone cellphone phone_number mobile_phone"
    ),
    "email": "邮箱 电子邮箱 邮件 电子邮件 邮箱地址 email e-mail mail email_address",
    "member_card": (
        "会员卡号 会员卡 卡号 会员号 会员编号 会员码 会员id card card_no card_number member_card member_no "
        "member_id loyalty_card"
    ),
    "user_id": (
        "用户id 用户编号 客户编号 客户号 客户id 买家id 顾客编号 user_id userid uid customer_id customer_no "
        "customerid external_id"
    ),
    "wechat_openid": "openid 微信openid wechat_openid",
    "wechat_unionid": "unionid 微信unionid wechat_unionid",
    "device_id": "设备id 设备号 device_id deviceid idfa oaid",
    "anonymous_id": "anonymous_id anonymousid 访客id",
}
# Attribute: names, and the type that its cells are read as.
TRAITS = {
    "name": (("姓名 名字 客户姓名 会员姓名 顾客姓名 联系人 收货人 name full_name fullname customer_name"), ""),
    "first_name": ("名 first_name firstname given_name", ""),
    "last_name": ("姓 last_name lastname surname family_name", ""),
    "gender": ("性别 gender sex", ""),
    "birthday": ("生日 出生日期 出生年月日 birthday birth_date birthdate date_of_birth dob", "date"),
    "city": ("城市 所在城市 常住城市 市 city town", ""),
    "province": ("省份 省 所在省份 省市 province state region", ""),
    "country": ("国家 国家/地区 country", ""),
    "points": ("积分 会员积分 可用积分 points", "number"),
}
EVENT_NAMES = "事件 事件名 事件名称 行为 event event_name action"
MESSAGE_IDS = (
    "订单号 订单编号 订单id 单号 小票号 流水号 交易号 交易单号 order_id order_no order_number orderid receipt "
    "receipt_no transaction_id invoice_no"
)
AMOUNTS = (
    "金额 订单金额 实付金额 实付 支付金额 应付金额 总金额 总价 消费金额 成交金额 total amount order_total "
    "order_amount grand_total revenue price paid"
)
ORDER_TIMES = (
    "下单时间 订单时间 支付时间 付款时间 成交时间 交易时间 消费时间 购买时间 发生时间 ordered_at order_time "
    "order_date paid_at sold_at transaction_time occurred_at event_time purchase_date"
)
EVENT_TIMES = (
    "时间 日期 事件时间 时间戳 time date datetime timestamp event_date"  # of a file that has events by other columns
)
CHANGE_TIMES = "更新时间 修改时间 最后更新 最后修改时间 updated_at update_time modified_at last_modified"
# Channel: how it is called, in Chinese and in English; of consents, its names are these in CONSENT_PATTERNS.
CHANNELS = {
    "sms": ("短信", "sms"),
    "email": ("邮件 电子邮件 邮箱", "email"),
    "wechat": ("微信", "wechat"),
    "phone": ("电话 来电", "phone"),
    "push": ("推送 消息推送", "push"),
    "post": ("邮寄 信件", "post"),
}
CONSENT_PATTERNS = (
    "{}订阅 {}授权 {}营销 {}同意 {}许可 {}订阅状态 {}授权状态 {}营销授权 {}营销同意 接收{} 允许{} 同意{} 接收{}营销 "
    "同意接收{} 允许接收{} 愿意接收{} 是否接收{} 是否同意{} 是否允许{} 是否订阅{} 是否同意接收{}",
    "{}_opt_in {}_optin {}_consent {}_subscribed {}_marketing {}_marketing_consent {}_permission accepts_{} "
    "accepts_{}_marketing",
)
MORE_CONSENTS = {
    "sms": "短信 sms",
    "email": "newsletter newsletter_subscribed",
    "phone": "接听电话",
    "push": "推送 push",
    "post": "mail_opt_in",
}


def consent_names(channel: str) -> str:
    """As columns are called that say whether somebody wants to be written to on a channel."""
    filled = [
        pattern.replace("{}", name)
        for written, patterns in zip(CHANNELS[channel], CONSENT_PATTERNS, strict=True)
        for name in written.split()
        for pattern in patterns.split()
    ]
    return " ".join([*filled, MORE_CONSENTS.get(channel, "")])


CONSENTS = {channel: consent_names(channel) for channel in CHANNELS}
