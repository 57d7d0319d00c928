"""What `solpay localnet` starts: a chain, new or from a file, with accounts, programs and faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.account_files import load_account
from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.server import state_file
from solpay_pipeline.localnet.server.fault_file import load_faults
from solpay_pipeline.localnet.server.faults import Faults


@dataclass(frozen=True, slots=True)
class Launch:
    """Files to start from. `accounts` are files, or folders of them; `programs` are ADDRESS=FILE."""

    state: Path | None = None
    accounts: Sequence[Path] = ()
    programs: Sequence[str] = ()
    faults: Path | None = None

    def chain(self, config: ChainConfig) -> Chain:
        """The complete chain; OSError where a file cannot be read, ValueError that names what is wrong."""
        chain = Chain(config) if self.state is None else state_file.load(self.state, config)
        for program in self.programs:
            address, separator, file = program.partition("=")
            if not separator:
                raise ValueError(f"a program is given as ADDRESS=FILE, not {program}")
            chain.load_program(_address(address), Path(file))
        # What an account points at, such as a program's code, comes first.
        loaded = [load_account(file) for path in self.accounts for file in _files(path)]
        for account_address, account in sorted(loaded, key=lambda entry: entry[1].executable):
            chain.put_account(account_address, account)
        return chain

    def fault_set(self, seed: int) -> Faults:
        """The faults of the file; none where no file is named."""
        return Faults(seed) if self.faults is None else load_faults(self.faults, seed)


def second_endpoint(text: str) -> tuple[int, int]:
    """Port and lag of a second endpoint, from PORT:SLOTS; ValueError for another form."""
    port, separator, slots = text.partition(":")
    if not separator or not port.isdigit() or not slots.isdigit():
        raise ValueError(f"a lagging endpoint is given as PORT:SLOTS, not {text}")
    return int(port), int(slots)


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def _address(text: str) -> Pubkey:
    try:
        return Pubkey.from_string(text)
    except ValueError as error:
        raise ValueError(f"{text} is not an address: {error}") from error
