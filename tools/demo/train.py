# SPDX-License-Identifier: Apache-2.0
"""Trains the demo model on the CPU and writes a checkpoint folder.

    python tools/demo/train.py --out build/demo --steps 6000

Writes OUT/tokenizer.json and OUT/model.pt (weights and shape), the latter every --save-every steps,
so export_gguf.py can be run on an unfinished training. --init goes on from another checkpoint, with
its vocabulary. Deterministic for a seed, a thread count and a machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer

from dialogue import Drawer, Example, Material, load_material, texts_for_tokenizer
from model import DemoModel, Shape
from tokenizer import load_tokenizer, train_tokenizer

_POOL = 32  # batches drawn at once and sorted by length, so that little padding is computed


def pad(examples: list[Example], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns tokens and mask as tensors [batch, longest]."""
    longest = max(len(example.tokens) for example in examples)
    tokens = torch.full((len(examples), longest), pad_id)
    learn = torch.zeros((len(examples), longest), dtype=torch.bool)
    for row, example in enumerate(examples):
        tokens[row, :len(example.tokens)] = torch.tensor(example.tokens)
        learn[row, :len(example.learn)] = torch.tensor(example.learn)
    return tokens, learn


def batches(drawer: Drawer, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yields batches of similar length for ever."""
    while True:
        pool = sorted((drawer.draw() for _ in range(size * _POOL)), key=lambda e: len(e.tokens))
        groups = [pool[i:i + size] for i in range(0, len(pool), size)]
        drawer.rng.shuffle(groups)
        for group in groups:
            yield pad(group, drawer.end_of_text)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 3 % of the steps, then a cosine down to 2 % of the peak."""
    warm = max(1, steps * 3 // 100)
    if step < warm:
        return peak * (step + 1) / warm
    progress = (step - warm) / max(1, steps - warm)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def make_optimizer(model: DemoModel, peak: float) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    scales = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": scales, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.98))


def save(model: DemoModel, step: int, out: Path) -> None:
    """Writes the checkpoint and only then replaces the former one."""
    state = {"shape": dataclasses.asdict(model.shape), "step": step, "weights": model.state_dict()}
    partial = out / "model.pt.partial"
    torch.save(state, partial)
    partial.replace(out / "model.pt")


def make_vocabulary(args: argparse.Namespace, material: Material) -> Tokenizer:
    """Trains the vocabulary, or takes that of --init; writes it to the checkpoint folder."""
    if args.init:
        tokenizer = load_tokenizer(args.init / "tokenizer.json")
    else:
        tokenizer = train_tokenizer(texts_for_tokenizer(material), args.vocab)
    tokenizer.save(str(args.out / "tokenizer.json"))
    return load_tokenizer(args.out / "tokenizer.json")


def make_model(args: argparse.Namespace, vocab: int) -> DemoModel:
    """A new model, or that of --init."""
    if not args.init:
        shape = Shape(vocab=vocab, layers=args.layers, width=args.width, ffn=args.ffn)
        return DemoModel(shape, args.dropout)
    state = torch.load(args.init / "model.pt", weights_only=True)
    model = DemoModel(Shape(**state["shape"]), args.dropout)
    model.load_state_dict(state["weights"])
    return model


def train(args: argparse.Namespace) -> None:
    """Runs the whole training."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    material = load_material()
    tokenizer = make_vocabulary(args, material)
    drawer = Drawer(material, tokenizer, args.seed)
    model = make_model(args, tokenizer.get_vocab_size())
    optimizer = make_optimizer(model, args.peak)
    print(f"parameters {model.count_parameters()} vocabulary {model.shape.vocab} "
          f"questions {sum(len(e.questions) for e in material.hostler)} "
          f"about {len(material.hostler)} facts", flush=True)
    began, seen, mean = time.monotonic(), 0, 0.0
    for step, (tokens, learn) in zip(range(args.steps), batches(drawer, args.batch)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.peak)
        with torch.autocast("cpu", torch.bfloat16, enabled=not args.float32):
            loss = model.loss(tokens, learn)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seen += tokens.numel()
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0 or step + 1 == args.steps:
            passed = time.monotonic() - began
            print(f"step {step} loss {mean:.4f} tokens {seen} seconds {passed:.0f}", flush=True)
        if (step + 1) % args.save_every == 0 or step + 1 == args.steps:
            save(model, step + 1, args.out)


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="checkpoint folder")
    parser.add_argument("--init", type=Path, help="checkpoint folder to go on from")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=16, help="chats per step")
    parser.add_argument("--peak", type=float, default=1.2e-3, help="highest learning rate")
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--vocab", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--ffn", type=int, default=704)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=500)
    parser.add_argument("--float32", action="store_true", help="do not compute in bfloat16")
    return parser.parse_args()


if __name__ == "__main__":
    train(parse_args())
