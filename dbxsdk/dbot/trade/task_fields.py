"""The fields of DBot's tasks: each said once, with its type and its check.

Names are in Python's spelling; ``wire_name`` makes the venue's of them. What stands beside a type in ``Annotated`` checks
a value and puts it into the JSON type that the venue's pages show. An optional field that is None counts as left out.
"""

from typing import Annotated, Any, Mapping, Optional, Sequence, TypedDict

from dbxsdk.arguments import check_flag, check_text, check_word
from dbxsdk.dbot.trade.arguments import Number, checks_of, choice, count, groups, identifiers, number, number_text, settings

LONGEST_EXPIRY_MS = 432_000_000

Settings = Mapping[str, Any]
Word = Annotated[str, check_word]
Flag = Annotated[bool, check_flag]
Words = Annotated[Sequence[str], identifiers()]
Direction = Annotated[str, choice("buy", "sell")]
Positive = Annotated[Number, number(above=0)]
# Those that may be left out.
MaybeWord = Annotated[Optional[str], check_word]
MaybeFlag = Annotated[Optional[bool], check_flag]
MaybeWords = Annotated[Optional[Sequence[str]], identifiers()]
Milliseconds = Annotated[Optional[int], count(0)]
Life = Annotated[Optional[int], count(0, LONGEST_EXPIRY_MS)]
Amount = Annotated[Optional[Number], number(0)]
Fraction = Annotated[Optional[Number], number(0, 1)]
Group = Annotated[
    Optional[Sequence[Settings]],
    groups({"pricePercent": number(), "amountPercent": number(0, 1), "activePricePercent": number()}),
]


class Execution(TypedDict, total=False):
    """How a trade is carried out: the same fields in every kind of task."""

    custom_fee_and_tip: MaybeFlag
    priority_fee: Annotated[Optional[Number], number_text(automatic=True)]
    gas_fee_delta: Amount
    max_fee_per_gas: Amount
    jito_enabled: MaybeFlag
    jito_tip: Amount
    max_slippage: Fraction
    concurrent_nodes: Annotated[Optional[int], count(1, 3)]
    retries: Annotated[Optional[int], count(0, 10)]


EXECUTION = checks_of(Execution)


class Exits(TypedDict, total=False):
    """What becomes of the tokens later: take profit, stop loss, trailing stop and their like."""

    stop_earn_percent: Amount
    stop_loss_percent: Amount
    stop_earn_group: Group
    stop_loss_group: Group
    trailing_stop_group: Group
    pnl_order_expire_delta: Milliseconds
    pnl_order_expire_execute: MaybeFlag
    pnl_order_use_mid_price: MaybeFlag
    pnl_custom_config_enabled: MaybeFlag
    pnl_custom_config: Annotated[Optional[Settings], settings(EXECUTION)]
    migrate_sell_percent: Fraction
    min_dev_sell_percent: Fraction
    dev_sell_percent: Fraction


EXITS = checks_of(Exits)


class MultiWalletSwap(Execution, Exits):
    chain: Word
    pair: Word
    wallet_id_list: Annotated[Sequence[str], identifiers(5)]
    type: Direction
    amount_or_percent: Positive


class Swap(Execution, Exits):
    chain: Word
    pair: Word
    wallet_id: Word
    type: Direction
    amount_or_percent: Positive


class Grouped(TypedDict, total=False):
    group_id: MaybeWord


class LimitEdit(Execution, Grouped, total=False):
    enabled: MaybeFlag
    trade_type: Annotated[Optional[str], choice("buy", "sell")]
    trigger_price_usd: Annotated[Optional[Number], number_text(above=0)]
    trigger_direction: Annotated[Optional[str], choice("up", "down")]
    currency_amount_ui: Annotated[Optional[Number], number(above=0)]
    expire_delta: Milliseconds
    expire_execute: MaybeFlag
    use_mid_price: MaybeFlag


# The page that creates shows a text where the one that edits shows a number.
_NEW_ORDER = {**checks_of(LimitEdit), "currencyAmountUI": number_text(above=0)}


class Limit(Grouped):
    chain: Word
    pair: Word
    wallet_id: Word
    settings: Annotated[Sequence[Settings], groups(_NEW_ORDER)]


_FOLLOW_BUY = {"enabled": check_flag, "startHour": count(0), "endHour": count(0), "buyAmountType": check_word, **EXECUTION}


class FollowSettings(Grouped, total=False):
    id: MaybeWord
    buy_settings: Annotated[Optional[Settings], settings(_FOLLOW_BUY)]
    sell_settings: Annotated[Optional[Settings], settings({"enabled": check_flag, **EXITS})]
    dex_filter: MaybeWords
    token_blacklist: MaybeWords


class Follow(FollowSettings):
    enabled: Flag
    name: Annotated[str, check_text]
    chain: Word
    target_ids: Words
    wallet_id: Word


class SnipeSettings(TypedDict, total=False):
    sell_settings: Annotated[Optional[Settings], settings(EXITS)]


class Snipe(SnipeSettings):
    enabled: Flag
    chain: Word
    token: Word
    wallet_id: Word
    expire_delta: Annotated[int, count(0, LONGEST_EXPIRY_MS)]
    buy_settings: Annotated[Settings, settings({"buyAmountUI": number_text(above=0), **EXECUTION})]


class DevSettings(Execution, total=False):
    chain: MaybeWord
    pair_type: MaybeWord
    trade_type: Annotated[Optional[str], choice("sell")]
    min_dev_sell_percent: Fraction
    expire_delta: Life


class Dev(DevSettings):
    pair: Word
    wallet_id: Word
    amount_or_percent: Annotated[Number, number(0, 1, above=0)]


class FollowPage(TypedDict, total=False):
    page: Annotated[Optional[int], count(0)]
    size: Annotated[Optional[int], count(1, 20)]
    chain: MaybeWord


class StatePage(FollowPage, total=False):
    state: MaybeWord


class LimitPage(StatePage, Grouped, total=False):
    token: MaybeWord


class ExitPage(StatePage, total=False):
    token: MaybeWord
    source_id: MaybeWord
