"""Make the tokenizer that SD 1.5 and SDXL fetch from Hugging Face, from the BPE file in CLIP's own source.

    tokenizer_cache.py CLIP_SOURCE HF_HOME

The vocabulary follows from the merges: 256 byte symbols, the same at a word's end, one for each merge, two specials.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

MODEL = "models--openai--clip-vit-large-patch14"
SNAPSHOT = "0" * 39 + "1"
MERGES = 49152 - 256 - 2
START, END = "<|startoftext|>", "<|endoftext|>"
TEXT = {
    "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12,
    "max_position_embeddings": 77, "vocab_size": 49408, "hidden_act": "quick_gelu", "model_type": "clip_text_model",
    "projection_dim": 768, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
}  # fmt: skip
VISION = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24,
    "image_size": 224, "patch_size": 14, "projection_dim": 768, "hidden_act": "quick_gelu",
    "model_type": "clip_vision_model",
}  # fmt: skip


def byte_symbols() -> list[str]:
    """A printable character for each byte, in the order of GPT-2's table: the printable ones stand for themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(rest))]


def files(merges: list[str]) -> dict[str, str]:
    """The cache's files by name."""
    symbols = byte_symbols()
    words = [*symbols, *(f"{each}</w>" for each in symbols), *("".join(pair.split()) for pair in merges), START, END]
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
    documents: dict[str, Any] = {
        "vocab.json": {word: number for number, word in enumerate(words)},
        "special_tokens_map.json": {
            "bos_token": {"content": START, **special},
            "eos_token": {"content": END, **special},
            "unk_token": {"content": END, **special},
            "pad_token": END,
        },
        "tokenizer_config.json": {
            "model_max_length": 77, "do_lower_case": True, "errors": "replace", "add_prefix_space": False,
            "tokenizer_class": "CLIPTokenizer", "bos_token": START, "eos_token": END, "unk_token": END,
            "pad_token": END,
        },
        "config.json": {
            "architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": 768, "text_config": TEXT,
            "text_config_dict": TEXT, "vision_config": VISION, "vision_config_dict": VISION,
            "logit_scale_init_value": 2.6592,
        },
    }  # fmt: skip
    made = {name: json.dumps(document, ensure_ascii=False) for name, document in documents.items()}
    return {**made, "merges.txt": "\n".join(["#version: 0.2", *merges, ""])}


def main() -> int:
    source, home = Path(sys.argv[1]), Path(sys.argv[2])
    with gzip.open(source / "clip/bpe_simple_vocab_16e6.txt.gz", "rt", encoding="utf-8") as file:
        merges = file.read().split("\n")[1 : MERGES + 1]
    hub = home / "hub"
    snapshot = hub / MODEL / "snapshots" / SNAPSHOT
    snapshot.mkdir(parents=True)
    for name, text in files(merges).items():
        (snapshot / name).write_text(text, encoding="utf-8")
    (hub / MODEL / "refs").mkdir()
    (hub / MODEL / "refs/main").write_text(SNAPSHOT, encoding="ascii")
    (hub / "version.txt").write_text("1", encoding="ascii")  # transformers: not a cache of the old form
    return 0


if __name__ == "__main__":
    sys.exit(main())
