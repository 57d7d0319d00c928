"""A contract for import-linter: the files of a room stand above its sub-rooms, and these in the order that is listed.

The layers contract of import-linter wants each file by name, so that a new file must be listed somewhere by hand.
"""

from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields
from importlinter.contracts.layers import LayersContract


class RoomsContract(Contract):
    """Options: `room`, a package; `sub_rooms`, all packages within it, from the highest to the lowest."""

    type_name = "rooms"

    room = fields.StringField()
    sub_rooms = fields.ListField(subfield=fields.StringField())

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Check as layers: all files together, then each sub-room."""
        return self._layers(graph).check(graph, verbose)

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Show the imports that point up."""
        LayersContract.render_broken_contract(self, check)  # type: ignore[arg-type] # it uses the check alone

    def _layers(self, graph: grimp.ImportGraph) -> LayersContract:
        names = {one.rpartition(".")[2] for one in graph.find_children(str(self.room))}
        files = sorted(names - set(self.sub_rooms))  # type: ignore[call-overload] # a field becomes its value
        options: dict[str, Any] = {
            "containers": [self.room],
            "layers": [" : ".join(files), *self.sub_rooms],  # type: ignore[misc]
            "exhaustive": "true",
        }
        return LayersContract(self.name, self.session_options, options)
