# SPDX-License-Identifier: Apache-2.0
"""Writes a checkpoint folder of train.py as a GGUF file.

    python tools/demo/export_gguf.py --checkpoint build/demo --out models/demo.gguf
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch

from model import Shape
from tokenizer import PRE_TOKENIZER, SPECIALS, TURN_END, END_OF_TEXT

CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_TYPES = {"Q8_0": gguf.GGMLQuantizationType.Q8_0, "F16": gguf.GGMLQuantizationType.F16,
          "F32": gguf.GGMLQuantizationType.F32}
_FILE_TYPES = {"Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0, "F16": gguf.LlamaFileType.MOSTLY_F16,
               "F32": gguf.LlamaFileType.ALL_F32}
_LAYER_TENSORS = {
    "attn_norm.weight": "attn_norm", "attn.q.weight": "attn_q", "attn.k.weight": "attn_k",
    "attn.v.weight": "attn_v", "attn.output.weight": "attn_output", "ffn_norm.weight": "ffn_norm",
    "gate.weight": "ffn_gate", "up.weight": "ffn_up", "down.weight": "ffn_down",
}


def tensor_name(name: str) -> str:
    """Translates a parameter's name to the GGUF tensor's."""
    if name == "embedding.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, layer, rest = name.split(".", 2)
    return f"blk.{layer}.{_LAYER_TENSORS[rest]}.weight"


def write_metadata(writer: gguf.GGUFWriter, shape: Shape) -> None:
    """Writes name, licence and shape."""
    writer.add_name("Hostler demo")
    writer.add_description("A demo, not an assistant: answers simple questions about Hostler.")
    writer.add_license("Apache-2.0")
    writer.add_float32("general.sampling.temp", 0.0)  # by default the most likely answer: it is right far more often
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_vocab_size(shape.vocab)


def write_vocabulary(writer: gguf.GGUFWriter, path: Path) -> None:
    """Writes tokens, merges, special ids and the ChatML template."""
    data = json.loads(path.read_text(encoding="utf-8"))["model"]
    tokens = sorted(data["vocab"], key=data["vocab"].__getitem__)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    kinds = [control if token in SPECIALS else normal for token in tokens]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in data["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index(TURN_END))
    writer.add_eot_token_id(tokens.index(TURN_END))
    writer.add_pad_token_id(tokens.index(END_OF_TEXT))
    writer.add_bos_token_id(tokens.index(END_OF_TEXT))
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def write_tensors(writer: gguf.GGUFWriter, weights: dict[str, torch.Tensor], kind: str) -> None:
    """Writes matrices in the chosen type and vectors as F32."""
    for name, tensor in weights.items():
        array = tensor.float().numpy()
        if array.ndim == 1 or kind == "F32":
            writer.add_tensor(tensor_name(name), array.astype(np.float32))
            continue
        packed = gguf.quants.quantize(array, _TYPES[kind])
        writer.add_tensor(tensor_name(name), packed, raw_dtype=_TYPES[kind])


def export(checkpoint: Path, out: Path, kind: str) -> None:
    """Writes the file beside its place and then moves it there."""
    state = torch.load(checkpoint / "model.pt", map_location="cpu", weights_only=True)
    partial = out.with_name(out.name + ".partial")
    writer = gguf.GGUFWriter(partial, "llama")
    write_metadata(writer, Shape(**state["shape"]))
    writer.add_file_type(_FILE_TYPES[kind])
    write_vocabulary(writer, checkpoint / "tokenizer.json")
    write_tensors(writer, state["weights"], kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(out)
    print(f"{out}: {out.stat().st_size} bytes, {kind}, step {state['step']}")


def main() -> None:
    """Reads the command line and exports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=Path("build/demo"))
    parser.add_argument("--out", type=Path, default=Path("models/demo.gguf"))
    parser.add_argument("--type", choices=sorted(_TYPES), default="Q8_0")
    args = parser.parse_args()
    export(args.checkpoint, args.out, args.type)


if __name__ == "__main__":
    main()
