"""Every situation of the demo: the ordinary ones, those that the peer leaves behind, and those that nobody can mend."""

from solpay_pipeline.demo.ordinary import ORDINARY
from solpay_pipeline.demo.peers import PEERS
from solpay_pipeline.demo.situation import Situation
from solpay_pipeline.demo.stuck import STUCK

SITUATIONS: tuple[Situation, ...] = (*ORDINARY, *PEERS, *STUCK)
