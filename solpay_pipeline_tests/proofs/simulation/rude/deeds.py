"""The deeds of each kind of rudeness; one that is named twice is done twice as often."""

from collections.abc import Mapping
from typing import Final

from solpay_pipeline_tests.proofs.simulation.rude import (
    customers,
    issuers,
    outages,
    payers,
    peers,
    shops,
    strangers,
    thieves,
)
from solpay_pipeline_tests.proofs.simulation.rude.kinds import Kind
from solpay_pipeline_tests.proofs.simulation.rude.scene import Deed

DEEDS: Final[Mapping[Kind, tuple[Deed, ...]]] = {
    Kind.STRAYS: (
        customers.sol_to_an_account,
        customers.sol_to_an_account,
        customers.sol_to_where_no_account_is,
    ),
    Kind.NESTED: (customers.tokens_to_an_account_of_an_account,),
    Kind.HANDED_OVER: (customers.an_account_is_handed_over,),
    Kind.OTHER_ACCOUNTS: (customers.tokens_to_another_account,),
    Kind.THIEVES: (
        thieves.accepted_and_taken,
        thieves.accepted_and_taken_with_an_alibi,
        thieves.accepted_and_halved,
    ),
    Kind.OTHER_THIEVES: (
        thieves.all_is_taken,
        thieves.a_unit_goes_home_and_the_rest_is_taken,
        thieves.a_part_is_taken,
        thieves.paid_and_taken,
    ),
    Kind.EDITS: (
        shops.a_price_is_edited,
        shops.a_price_is_edited,
        shops.a_mint_that_we_have_seen_is_edited,
        shops.an_open_address_is_edited,
        shops.a_time_is_extended,
        shops.a_time_is_extended,
        shops.a_payment_is_deleted,
        shops.an_address_is_given_twice,
    ),
    Kind.UNSEEN_EDITS: (shops.a_mint_is_edited,),
    Kind.EDITED_ADDRESSES: (shops.an_address_is_edited,),
    Kind.ISSUERS: (issuers.paused, issuers.resumed, issuers.frozen, issuers.frozen),
    Kind.TAKEN_BACK: (issuers.taken_back, issuers.burnt),
    Kind.CLOSED_MINTS: (issuers.a_mint_is_closed,),
    Kind.OUTAGES: (outages.an_outage, outages.an_outage_with_money, outages.an_outage_beyond_history),
    Kind.PEERS: (
        peers.peer_sends,
        peers.peer_sends,
        peers.peer_calls_it_sent,
        peers.peer_calls_it_closed,
        peers.peer_expires_and_closes,
    ),
    Kind.PAYERS: (
        payers.short_then_late,
        payers.paid_again,
        payers.paid_again,
        payers.wrapped_sol,
        payers.sol_to_the_wrapped_account,
    ),
    Kind.DUST: (
        strangers.specks_of_sol,
        strangers.specks_of_a_token,
        strangers.only_named,
        strangers.frozen_spam,
    ),
}

BY_NAME: Final[Mapping[str, Deed]] = {deed.__name__: deed for deeds in DEEDS.values() for deed in deeds}
