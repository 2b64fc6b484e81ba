/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/chat/builtin.h"

#include "base/base.h"

#define SYSTEM_FIRST                                                              \
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}" \
    "{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}"

/* Vertical order is the turn's: what opens it, what closes it, what asks for the answer. */
/* clang-format off */
static const struct chat_builtin all[] = {
    {"chatml",
     "{% for m in messages %}"
     "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
     "{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"},
    {"llama2",
     SYSTEM_FIRST
     "{% for m in messages %}"
     "{% if m.role == 'user' %}"
     "{{ bos_token + '[INST] ' }}"
     "{% if loop.first and system %}{{ '<<SYS>>\n' + system + '\n<</SYS>>\n\n' }}{% endif %}"
     "{{ m.content.strip() + ' [/INST]' }}"
     "{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}"
     "{% endfor %}"},
    {"llama3",
     "{{ bos_token }}"
     "{% for m in messages %}"
     "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content.strip() + '<|eot_id|>' }}"
     "{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"},
    {"mistral",
     SYSTEM_FIRST
     "{{ bos_token }}"
     "{% for m in messages %}"
     "{% if m.role == 'user' %}"
     "{{ '[INST] ' }}{% if loop.last and system %}{{ system + '\n\n' }}{% endif %}{{ m.content + '[/INST]' }}"
     "{% else %}{{ ' ' + m.content.strip() + eos_token }}{% endif %}"
     "{% endfor %}"},
    {"gemma",
     SYSTEM_FIRST
     "{{ bos_token }}"
     "{% for m in messages %}"
     "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}"
     "{% if loop.first and system %}{{ system + '\n\n' }}{% endif %}"
     "{{ m.content.strip() + '<end_of_turn>\n' }}"
     "{% endfor %}"
     "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"},
    {"phi3",
     "{% for m in messages %}"
     "{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}"
     "{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"},
    {"zephyr",
     "{% for m in messages %}"
     "{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}"
     "{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"},
    {"vicuna",
     "{% for m in messages %}"
     "{% if m.role == 'system' %}{{ m.content + '\n\n' }}"
     "{% elif m.role == 'user' %}{{ 'USER: ' + m.content + '\n' }}"
     "{% else %}{{ 'ASSISTANT: ' + m.content + eos_token + '\n' }}{% endif %}"
     "{% endfor %}"
     "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"},
    {"alpaca",
     "{% for m in messages %}"
     "{% if m.role == 'system' %}{{ m.content + '\n\n' }}"
     "{% elif m.role == 'user' %}{{ '### Instruction:\n' + m.content + '\n\n' }}"
     "{% else %}{{ '### Response:\n' + m.content + '\n\n' }}{% endif %}"
     "{% endfor %}"
     "{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}"},
};
/* clang-format on */

const char chat_builtin_names[] =
    "chatml, llama2, llama3, mistral, gemma, phi3, zephyr, vicuna, alpaca";

const struct chat_builtin *chat_builtin(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (str_eq(name, str_of(all[i].name))) return &all[i];
    return NULL;
}
