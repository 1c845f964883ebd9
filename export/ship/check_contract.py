"""Check of one `.tflite` file against its contract, in the LiteRT of the Python interpreter that runs this.

A separate program, which `verify_directory.py` starts for each file:

    python export/ship/check_contract.py DIR RECIPE.contract.json [PROCESS]

It prints a JSON object with the fields of a `Finding`, and ends when the PROCESS that started it does. It needs NumPy
and LiteRT, old or new, and of this project only `check_answers.py` beside it. `contract.py` documents the fields of a
contract, whose examples are made with the functions below.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def _beside(name: str) -> Any:
    """The module of this name in the directory of this file, loaded by path: the project need not be installed."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


answers = _beside("check_answers")


class NoRuntimeError(Exception):
    """No LiteRT can be imported; the message is one line that says how to get it."""


class _WrongError(Exception):
    """A file breaks its contract; the message says how, in one line."""


def check(directory: Path, name: str) -> dict[str, Any]:
    """Check a file, and the text files beside it, against the contract of this name, and run the contract's examples.

    Returns:
      `status`, `said`, `announced` and `ran_on` of a `Finding`.

    Raises:
      NoRuntimeError: there is no LiteRT.
    """
    runtime, release = _name_runtime()
    status, announced, ran_on = "right", False, runtime
    try:
        contract = json.loads((directory / name).read_bytes())
        oldest = contract["runtime"]["oldest"]
        too_old = release is not None and release < tuple(map(int, oldest.split(".")))
        if contract["file"]["name"] != (own := f"{name.split('.contract.json')[0]}.tflite"):
            raise _WrongError(f"its contract is for {contract['file']['name']!r}, not for {own}")
        if not contract["examples"]:
            raise _WrongError("its contract has no examples, so that there is nothing to run")
        _check_files(directory, contract)
        ran_on += ", " + _check_ids(directory, contract)
        said = _run(directory / contract["file"]["name"], contract)
        if too_old:
            raise _WrongError(f"{runtime} runs it, although its contract says that it needs TensorFlow Lite {oldest}")
    except RefusedError as error:
        status, announced = "refused", too_old
        need = f"needs TensorFlow Lite {oldest}, here is {runtime}" if too_old else f"{runtime} should run it"
        said = f"{need} ({error})"
    except _WrongError as error:
        status, said = "wrong", str(error)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        status, said = "wrong", f"its contract is malformed: {_malformed(error)}"
    return {"status": status, "said": said, "announced": announced, "ran_on": ran_on}


def _malformed(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no field {error.args[0]!r}"
    return f"a field has another type or length than such a field has ({error})"


def _check_files(directory: Path, contract: Mapping[str, Any]) -> None:
    text, answer = contract["text"], contract["answer"]
    for which in filter(None, (contract["file"], text["vocabulary"], answer["labels_file"])):
        # Only names of files in this directory are accepted: a contract must not lead to other places.
        if which["name"] not in {path.name for path in directory.iterdir() if path.is_file()}:
            raise _WrongError(f"its contract names {which['name']!r}, which is not a file in this directory")
        content = (directory / which["name"]).read_bytes()
        if (len(content), hashlib.sha256(content).hexdigest()) != (which["bytes"], which["sha256"]):
            raise _WrongError(f"{which['name']} is not the file that was exported")
    pieces = _lines(directory / text["vocabulary"]["name"])
    for token, number in text["special_tokens"].items():
        if number >= len(pieces) or pieces[number] != token:
            raise _WrongError(f"{text['vocabulary']['name']} does not have {token} at {number}")
    if len(pieces) != text["vocabulary"]["size"]:
        raise _WrongError(f"{text['vocabulary']['name']} has {len(pieces)} pieces, not {text['vocabulary']['size']}")
    if answer["labels_file"] and _lines(directory / answer["labels_file"]["name"]) != answer["labels"]:
        raise _WrongError(f"the labels are not those of {answer['labels_file']['name']}")
    if (stated := contract["task"]) != (own := json.loads((directory / "task.json").read_bytes())["task"]):
        raise _WrongError(f"its task is {stated!r}, but {own!r} in task.json")
    rules = json.loads((directory / "tokenizer.json").read_bytes())
    for rule, value in text["tokenizer"].items():
        if rules.get(rule) != value:
            raise _WrongError(f"{rule} is {value!r}, but {rules.get(rule)!r} in tokenizer.json")


def _check_ids(directory: Path, contract: Mapping[str, Any]) -> str:
    """Recompute the ids of the examples from their texts if tokenizers is installed; return a note on whether it is."""
    try:
        import tokenizers
    except ImportError:
        return "ids not recomputed, the package tokenizers is not installed"
    text = contract["text"]
    rules = text["tokenizer"]
    added = rules.get("added_tokens", [])
    pieces = _lines(directory / text["vocabulary"]["name"])
    # Tokens added to a finished vocabulary are its last ones. WordPiece must not have them: no word is split into them.
    pieces = pieces[: len(pieces) - sum(not one["word_piece"] for one in added)]
    numbers = {piece: number for number, piece in enumerate(pieces)}
    longest = rules["max_characters_per_word"]
    model = tokenizers.models.WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=longest)
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = tokenizers.normalizers.BertNormalizer(
        lowercase=rules["lower_case"], strip_accents=rules["strip_accents"], handle_chinese_chars=rules["split_cjk"]
    )
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    for one in added:
        flags = {name: one[name] for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        backend.add_tokens([tokenizers.AddedToken(one["content"], **flags)])
    for example in contract["examples"]:
        texts = [example[part] for part in ("text", "text_b") if part in text["layout"]]
        pieces_of = [backend.encode(one, add_special_tokens=False) for one in texts]
        if text.get("windows"):
            stated: list[Any] = [
                (one["ids"], one["segment_ids"], one["offsets"], one["start"]) for one in example["windows"]
            ]
            recomputed: list[Any] = answers.lay_out_windows(
                [one.ids for one in pieces_of], pieces_of[-1].offsets, texts[-1], text
            )
        else:
            stated, recomputed = (
                [(example["ids"], example["segment_ids"])],
                [answers.lay_out([one.ids for one in pieces_of], text)],
            )
        if recomputed != stated:
            raise _WrongError(f"vocabulary and rules give other ids for {_short(example)}")
    return f"ids recomputed with tokenizers {tokenizers.__version__}"


def _run(path: Path, contract: Mapping[str, Any]) -> str:
    """Check the signatures against the contract and run the examples; return a summary in one line."""
    interpreter = load(path)
    _check_signatures(read_signatures(interpreter), contract)
    allowed, furthest = contract["tolerance"]["output"], 0.0
    for example in contract["examples"]:
        outputs = []
        for window in example.get("windows") or [example]:
            signature = answers.choose_signature(contract["signatures"], len(window["ids"]), contract["text"])
            if signature["name"] != window["signature"]:
                raise _WrongError(f"{_short(example)} belongs to {signature['name']}, not to {window['signature']}")
            outputs.append(run_all(interpreter, signature, window["ids"], window["segment_ids"], contract))
        if example.get("windows"):
            furthest = max(furthest, _compare_windows(outputs, example, contract["answer"], allowed))
        else:
            output = outputs[0][contract["answer"]["output"]]
            furthest = max(furthest, _compare(output, example, contract["answer"], allowed))
    if answers.kind_of(contract["answer"]) in ("vector", "prototypes"):
        _check_vectors([example["output"] for example in contract["examples"]])
    used = {window["signature"] for example in contract["examples"] for window in example.get("windows") or [example]}
    return (
        f"{len(contract['examples'])} examples, {len(used)} signatures; "
        f"off by {furthest:.1e} at most, {allowed:.1e} is allowed"
    )


def _check_signatures(there: Sequence[Mapping[str, Any]], contract: Mapping[str, Any]) -> None:
    answer = contract["answer"]
    if (names := [one["name"] for one in there]) != [one["name"] for one in contract["signatures"]]:
        raise _WrongError(f"the signatures of the file are {', '.join(names)}, which are not those of the contract")
    for signature, wanted in zip(there, contract["signatures"], strict=True):
        if signature != wanted:
            tensors = (
                f"{one['name']} {one['dtype']} {one['shape']}" for one in (*signature["inputs"], *signature["outputs"])
            )
            raise _WrongError(f"{signature['name']} of the file has {', '.join(tensors)}, which is not in the contract")
        names = [answer["output"]] if answer["output"] else list(answer["outputs"].values())
        sizes = [tensor["shape"][-1] for tensor in signature["outputs"] if tensor["name"] in names]
        if len(sizes) != len(names):
            raise _WrongError(f"{signature['name']} has no output {' or '.join(names)}")
        if answers.kind_of(answer) in ("classes", "labels", "entities") and sizes != [len(answer["labels"])]:
            raise _WrongError(f"{len(answer['labels'])} labels for an output {answer['output']} of size {sizes}")


def _compare(found: Sequence[float], example: Mapping[str, Any], answer: Mapping[str, Any], allowed: float) -> float:
    """Check an output against the example's, and its decoding; return their largest difference."""
    wanted = example["output"]
    errors = [abs(a - b) for a, b in zip(found, wanted, strict=True)]
    for error in errors:
        if not error <= allowed:  # also true if error is NaN
            said = f"off by {error:.2g}, {allowed:.2g} is allowed"
            raise _WrongError(f"{answer['output']} of {_short(example)} are {said}")
    probabilities, decided = answers.decode(wanted, answer)
    stated = example["probabilities"] or []
    if not all(abs(a - b) <= 1e-6 for a, b in zip(probabilities or [], stated, strict=True)):
        raise _WrongError(f"the probabilities of {_short(example)} are not those of its {answer['output']}")
    if answers.kind_of(answer) == "classes":
        decided = answers.decode(found if _is_clear(wanted, answer, allowed) else wanted, answer)[1]
    if decided != example["answer"]:
        raise _WrongError(f"the answer to {_short(example)} is not {example['answer']!r}")
    return max(errors)


def _is_clear(output: Sequence[float], answer: Mapping[str, Any], allowed: float) -> bool:
    """Whether the decision stays the same if each value of `output` is off by at most `allowed`.

    If two values differ by no more than twice the tolerance, either may be the greatest. A softmax probability changes
    by a factor of at most exp(2 allowed / temperature), which may take it across the threshold.
    """
    second, best = sorted(output)[-2:]
    threshold = answer.get("threshold")
    if best - second <= 2 * allowed or not threshold:
        return best - second > 2 * allowed
    likely = max(answers.decode(output, answer)[0])
    factor = math.exp(2 * allowed / answer.get("temperature", 1.0))
    return likely * factor < threshold or likely / factor >= threshold


def _compare_windows(
    found: Sequence[Mapping[str, Any]], example: Mapping[str, Any], answer: Mapping[str, Any], allowed: float
) -> float:
    """Check the outputs of the windows against the example's; return their largest difference."""
    import numpy as np

    furthest = 0.0
    for outputs, window in zip(found, example["windows"], strict=True):
        for name, wanted in window["outputs"].items():
            error = float(np.abs(np.array(outputs[name]) - np.array(wanted)).max())
            if not error <= allowed:
                said = f"off by {error:.2g}, {allowed:.2g} is allowed"
                raise _WrongError(f"{name} of {_short(example)} are {said}")
            furthest = max(furthest, error)
    text = example["text"] if example["text_b"] is None else example["text_b"]
    if answers.decode_windows(example["windows"], text, answer) != example["answer"]:
        raise _WrongError(f"the answer to {_short(example)} is not {example['answer']!r}")
    return furthest


def _check_vectors(vectors: Sequence[Sequence[float]]) -> None:
    """Refuse vectors that cannot be embeddings of texts, even if they agree with the contract."""
    for vector in vectors:
        length = math.sqrt(sum(value * value for value in vector))
        if not abs(length - 1.0) <= 1e-2:
            raise _WrongError(f"gives a vector whose length is {length:.3g}, not one")
    if all(abs(a - b) < 1e-4 for vector in vectors for a, b in zip(vector, vectors[0], strict=True)):
        raise _WrongError(f"gives the same vector for {len(vectors)} texts")


class RefusedError(Exception):
    """The runtime refuses to load or run a file; the message is the first sentence of its reason."""

    def __init__(self, reason: Exception):
        lines = str(reason).strip().splitlines() or [type(reason).__name__]
        super().__init__(lines[0].split(". ")[0])


def load(path: Path, **options: Any) -> Any:
    """An interpreter with one thread. Raises RefusedError."""
    try:
        return _runtime()[1].Interpreter(str(path), num_threads=1, **options)
    except (ValueError, RuntimeError) as error:
        raise RefusedError(error) from None


def run(
    interpreter: Any, signature: Mapping[str, Any], ids: Sequence[int], segment_ids: Sequence[int],
    contract: Mapping[str, Any],
) -> list[float]:  # fmt: skip
    """The contract's output [C] for the ids and segment ids of one text, as in `run_all`."""
    values: list[float] = run_all(interpreter, signature, ids, segment_ids, contract)[contract["answer"]["output"]]
    return values


def run_all(
    interpreter: Any, signature: Mapping[str, Any], ids: Sequence[int], segment_ids: Sequence[int],
    contract: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Each output by name, [C] or a value or row [C] for each id, of one signature for the ids and segment ids of one
    text, which are padded here.

    Raises:
      RefusedError: the runtime cannot run the file.
    """
    import numpy as np

    inputs = {}
    for name, values in (("input_ids", ids), ("input_mask", [1] * len(ids)), ("segment_ids", segment_ids)):
        padding = [contract["text"]["padding"][name]] * (signature["length"] - len(ids))
        inputs[name] = np.array([[*values, *padding]], np.int32)
    try:
        outputs = interpreter.get_signature_runner(signature["name"])(**inputs)
    except (ValueError, RuntimeError) as error:
        raise RefusedError(error) from None
    each = contract["answer"].get("kind") in ("span", "entities")
    return {name: (values[0][: len(ids)] if each else values[0]).tolist() for name, values in outputs.items()}


def read_signatures(interpreter: Any) -> list[dict[str, Any]]:
    """The signatures of a file in the form of a contract, shortest first."""
    signatures = []
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        inputs, outputs = (_tensors(ends, name) for ends in (runner.get_input_details(), runner.get_output_details()))
        signatures.append({"name": name, "length": inputs[0]["shape"][-1], "inputs": inputs, "outputs": outputs})
    return sorted(signatures, key=lambda one: one["length"])


def _tensors(details: Mapping[str, Any], signature: str) -> list[dict[str, Any]]:
    import numpy as np

    return [
        {"name": name, "dtype": np.dtype(tensor["dtype"]).name, "shape": _shape(tensor, signature)}
        for name, tensor in sorted(details.items())
    ]


def _shape(tensor: Mapping[str, Any], signature: str) -> list[int]:
    """The shape in this signature; a graph that several share has -1 for T, which the signature's name ends with."""
    length = signature.rpartition("_")[2]
    sizes = [int(size) for size in tensor["shape_signature" if length.isdecimal() else "shape"]]
    return [int(length) if size == -1 else size for size in sizes]


def _name_runtime() -> tuple[str, tuple[int, ...] | None]:
    """Package and version of the runtime, and its TensorFlow Lite release; None: no file can need a later one."""
    package, _ = _runtime()
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # the package was copied, not installed
        return package, None
    # ai-edge-litert is later than every TensorFlow Lite release that introduced an operator.
    release = tuple(map(int, version.split(".")[:2])) if package == "tflite-runtime" else None
    return f"{package} {version}", release


def _runtime() -> tuple[str, Any]:
    """Package and interpreter module. Raises NoRuntimeError."""
    why = []
    for package in ("ai-edge-litert", "tflite-runtime"):
        try:
            return package, importlib.import_module(f"{package.replace('-', '_')}.interpreter")
        except (ImportError, AttributeError) as error:  # AttributeError: NumPy is too new for the package
            why.append(f"{error}")
    raise NoRuntimeError(f"has no LiteRT to run the files ({'; '.join(why)}); get it with: pip install ai-edge-litert")


def _short(example: Mapping[str, Any]) -> str:
    text = example["text"]
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _lines(path: Path) -> list[str]:
    text = path.read_bytes().decode("utf-8").removesuffix("\n")
    return [line.rstrip("\r") for line in text.split("\n")]


def _end_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends. On systems other than Linux nothing is done."""
    if sys.platform.startswith("linux"):
        set_pdeathsig, sigkill = 1, 9
        ctypes.CDLL(None).prctl(set_pdeathsig, sigkill, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the process that started this one has ended")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        _end_with(int(sys.argv[3]))
    try:
        result = check(Path(sys.argv[1]), sys.argv[2])
    except NoRuntimeError as error:
        result = {"no_runtime": str(error)}
    print(json.dumps(result))
