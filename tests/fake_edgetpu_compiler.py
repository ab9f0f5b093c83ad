"""Stands in for Google's compiler: a process with its options, its report, and a graph with its custom operation.

The first argument says what to do: a number of operations to leave on the CPU, "fail", "hang" or "nothing".
"""

import subprocess
import sys
import time
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema
from graphs import packed


def main() -> int:
    how, *options = sys.argv[1:]
    folder, source = Path(options[options.index("-o") + 1]), Path(options[-1])
    print("Edge TPU Compiler version 16.0.384591198")
    if how == "fail":
        print("Internal compiler error. Aborting! ")
        return 1
    if how == "hang":
        # It starts a second process, as the real one does.
        subprocess.run([sys.executable, "-c", f"import time; time.sleep(300)  # {folder}"], check=False)
        time.sleep(300)
    if how == "nothing":
        print("Compilation failed!")
        return 0
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(source.read_bytes()))
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    [graph] = model.subgraphs
    split = len(graph.operators) - int(how)
    first, rest = graph.operators[:split], graph.operators[split:]
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.CUSTOM
    code.deprecatedBuiltinCode, code.customCode = schema.BuiltinOperator.CUSTOM, b"edgetpu-custom-op"
    compiled = schema.OperatorT()
    compiled.opcodeIndex, compiled.inputs, compiled.outputs = len(model.operatorCodes), graph.inputs, first[-1].outputs
    named = [names[max(one.builtinCode, one.deprecatedBuiltinCode)] for one in model.operatorCodes]
    rows = [(named[one.opcodeIndex], "Mapped to Edge TPU") for one in first]
    rows += [(named[one.opcodeIndex], "More than one subgraph is not supported") for one in rest]
    model.operatorCodes.append(code)
    graph.operators = [compiled, *rest]
    (folder / f"{source.stem}_edgetpu.tflite").write_bytes(packed(model))
    print("Model compiled successfully in 41 ms.\n")
    print(f"Input model: {source}\nNumber of Edge TPU subgraphs: 1\nTotal number of operations: {len(rows)}")
    if rest:
        print(f"Number of operations that will run on Edge TPU: {split}")
        print(f"Number of operations that will run on CPU: {len(rest)}")
    print(f"\n{'Operator':<31}{'Count':<11}Status\n")
    for name, status in sorted(set(rows)):
        print(f"{name:<31}{rows.count((name, status)):<11}{status}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
