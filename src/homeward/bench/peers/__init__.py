"""What others do, on the same stream: detectors from libraries at their defaults, a Markov chain, and plain rules."""

from homeward.bench.peers.featured import Featured
from homeward.bench.peers.libraries import DETECTORS, Library
from homeward.bench.peers.markov import MarkovChain
from homeward.bench.peers.peer import Peer, Seen
from homeward.bench.peers.rules import LEVELS, Rules, Strictness

__all__ = ["DETECTORS", "LEVELS", "Featured", "Library", "MarkovChain", "Peer", "Rules", "Seen", "Strictness"]
