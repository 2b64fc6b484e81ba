/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/clients.h"

#include <string.h>

#define SET(when, name, text) {CLIENT_SET, CLIENT_##when, name, text}
#define UNSET(name) {CLIENT_UNSET, CLIENT_BOTH, name, NULL}
#define A_FILE(when, name, text) {CLIENT_FILE, CLIENT_##when, name, text}
#define WORD(when, text) {CLIENT_WORD, CLIENT_##when, NULL, text}
#define CODE(text) {CLIENT_CODE, CLIENT_PASTE, NULL, text}

/* --- programs --- */

/* A person's settings.json wins over the environment, and the one of the command line over both. */
static const struct client_part claude[] = {
    SET(BOTH, "ANTHROPIC_BASE_URL", "%r"),
    SET(BOTH, "ANTHROPIC_AUTH_TOKEN", "%k"),
    SET(BOTH, "ANTHROPIC_MODEL", "%m"),
    SET(BOTH, "ANTHROPIC_SMALL_FAST_MODEL", "%m"),
    SET(BOTH, "ANTHROPIC_DEFAULT_HAIKU_MODEL", "%m"),
    SET(BOTH, "ANTHROPIC_DEFAULT_SONNET_MODEL", "%m"),
    SET(BOTH, "ANTHROPIC_DEFAULT_OPUS_MODEL", "%m"),
    SET(BOTH, "ANTHROPIC_DEFAULT_FABLE_MODEL", "%m"),
    UNSET("ANTHROPIC_API_KEY"),
    UNSET("CLAUDE_CODE_USE_BEDROCK"),
    UNSET("CLAUDE_CODE_USE_VERTEX"),
    UNSET("CLAUDE_CODE_USE_FOUNDRY"),
    A_FILE(LAUNCH, "settings.json", "{\"env\": %E}\n"),
    WORD(LAUNCH, "--settings"),
    WORD(LAUNCH, "%d/settings.json"),
};

/* Words and not a CODEX_HOME, where a person's sessions, servers and instructions would be missing. */
static const struct client_part codex[] = {
    A_FILE(PASTE, "~/.codex/config.toml",
           "model = %M\n"
           "model_provider = \"hostler\"\n"
           "\n"
           "[model_providers.hostler]\n"
           "name = \"Hostler\"\n"
           "base_url = %U\n"
           "env_key = \"HOSTLER_KEY\"\n"
           "wire_api = \"responses\"\n"),
    SET(LAUNCH, "HOSTLER_KEY", "%k"),
    WORD(LAUNCH, "-c"),
    WORD(LAUNCH, "model=%M"),
    WORD(LAUNCH, "-c"),
    WORD(LAUNCH, "model_provider=\"hostler\""),
    WORD(LAUNCH, "-c"),
    WORD(LAUNCH, "model_providers.hostler={name=\"Hostler\",base_url=%U,env_key=\"HOSTLER_KEY\","
                 "wire_api=\"responses\"}"),
};

#define OPENCODE_CONFIG                                                          \
    "{\n"                                                                        \
    "  \"$schema\": \"https://opencode.ai/config.json\",\n"                      \
    "  \"model\": %O,\n"                                                         \
    "  \"small_model\": %O,\n"                                                   \
    "  \"provider\": {\n"                                                        \
    "    \"hostler\": {\n"                                                       \
    "      \"npm\": \"@ai-sdk/openai-compatible\",\n"                            \
    "      \"name\": \"Hostler\",\n"                                             \
    "      \"options\": {\"baseURL\": %U, \"apiKey\": \"{env:HOSTLER_KEY}\"},\n" \
    "      \"models\": {%M: {}}\n"                                               \
    "    }\n"                                                                    \
    "  }\n"                                                                      \
    "}\n"

static const struct client_part opencode[] = {
    A_FILE(PASTE, "~/.config/opencode/opencode.json", OPENCODE_CONFIG),
    SET(LAUNCH, "OPENCODE_CONFIG_CONTENT", OPENCODE_CONFIG),
    SET(LAUNCH, "HOSTLER_KEY", "%k"),
};

/* Nobody but us knows these models, so its question about unknown ones is not asked. */
static const struct client_part aider[] = {
    SET(BOTH, "AIDER_OPENAI_API_KEY", "%k"),
    WORD(BOTH, "--openai-api-base"),
    WORD(BOTH, "%u"),
    WORD(BOTH, "--model"),
    WORD(BOTH, "openai/%m"),
    WORD(BOTH, "--weak-model"),
    WORD(BOTH, "openai/%m"),
    WORD(BOTH, "--no-show-model-warnings"),
};

static const struct client_part llm[] = {
    A_FILE(BOTH, "~/.config/io.datasette.llm/extra-openai-models.yaml",
           "- model_id: %M\n"
           "  model_name: %M\n"
           "  api_base: %U\n"
           "  api_key_name: hostler\n"
           "  supports_tools: true\n"
           "  supports_schema: true\n"),
    SET(LAUNCH, "LLM_USER_PATH", "%d"),
    SET(LAUNCH, "LLM_MODEL", "%m"),
    SET(LAUNCH, "OPENAI_API_KEY", "%k"),
    CODE("llm keys set hostler  # asks for the key\n"),
    WORD(PASTE, "-m"),
    WORD(PASTE, "%m"),
    WORD(PASTE, "Hello!"),
};

/* --- what is only pasted --- */

#define HELLO "[{\"role\": \"user\", \"content\": \"Hello!\"}]"

static const struct client_part curl[] = {
    CODE("curl -s '%u/chat/completions' -H \"Authorization: Bearer $HOSTLER_KEY\" \\\n"
         "    -H 'Content-Type: application/json' -d @- <<'END'\n"
         "{\"model\": %M, \"messages\": " HELLO "}\n"
         "END\n"),
};

static const struct client_part openai_python[] = {
    CODE("# pip install openai\n"
         "import os\n"
         "from openai import OpenAI\n"
         "\n"
         "client = OpenAI(base_url=%U, api_key=os.environ[\"HOSTLER_KEY\"])\n"
         "answer = client.chat.completions.create(model=%M, messages=" HELLO ")\n"
         "print(answer.choices[0].message.content)\n"),
};

static const struct client_part openai_node[] = {
    CODE("// npm install openai\n"
         "import OpenAI from \"openai\";\n"
         "\n"
         "const client = new OpenAI({ baseURL: %U, apiKey: process.env.HOSTLER_KEY });\n"
         "const answer = await client.chat.completions.create({ model: %M,\n"
         "  messages: " HELLO " });\n"
         "console.log(answer.choices[0].message.content);\n"),
};

static const struct client_part anthropic_python[] = {
    CODE("# pip install anthropic\n"
         "import os\n"
         "from anthropic import Anthropic\n"
         "\n"
         "client = Anthropic(base_url=%R, auth_token=os.environ[\"HOSTLER_KEY\"])\n"
         "answer = client.messages.create(model=%M, max_tokens=1000, messages=" HELLO ")\n"
         "print(answer.content[0].text)\n"),
};

static const struct client_part langchain[] = {
    CODE("# pip install langchain-openai\n"
         "import os\n"
         "from langchain_openai import ChatOpenAI\n"
         "\n"
         "model = ChatOpenAI(base_url=%U, api_key=os.environ[\"HOSTLER_KEY\"], model=%M)\n"
         "print(model.invoke(\"Hello!\").content)\n"),
};

static const struct client_part ollama[] = {
    SET(PASTE, "OLLAMA_HOST", "%r"),
    SET(PASTE, "OLLAMA_API_KEY", "%k"),
    CODE("# Its libraries send the key. The command does not: it needs a gateway without keys.\n"
         "ollama run %s\n"),
};

static const struct client_part open_webui[] = {
    SET(PASTE, "OPENAI_API_BASE_URL", "%u"),
    SET(PASTE, "OPENAI_API_KEY", "%k"),
    SET(PASTE, "ENABLE_OLLAMA_API", "false"),
    CODE("open-webui serve\n"
         "# It reads these at its first start; later: Admin Settings, Connections.\n"),
};

static const struct client_part continue_dev[] = {
    A_FILE(PASTE, "~/.continue/config.yaml",
           "name: Hostler\n"
           "version: 1.0.0\n"
           "schema: v1\n"
           "models:\n"
           "  - name: Hostler\n"
           "    provider: openai\n"
           "    model: %M\n"
           "    apiBase: %U\n"
           "    apiKey: ${{ secrets.HOSTLER_KEY }}\n"
           "    roles: [chat, edit, apply]\n"),
    CODE("# The key goes to ~/.continue/.env as HOSTLER_KEY=...\n"),
};

static const struct client_part zed[] = {
    A_FILE(PASTE, "~/.config/zed/settings.json",
           "{\n"
           "  \"language_models\": {\n"
           "    \"openai_compatible\": {\n"
           "      \"Hostler\": {\n"
           "        \"api_url\": %U,\n"
           "        \"available_models\": [{\"name\": %M, \"max_tokens\": 32768}]\n"
           "      }\n"
           "    }\n"
           "  }\n"
           "}\n"),
    CODE(
        "# max_tokens is the model's context. The key is asked for in Agent Settings, LLM Providers,\n"
        "# or comes from the environment:\n"),
    SET(PASTE, "HOSTLER_API_KEY", "%k"),
};

/* --- all --- */

#define PARTS(parts) parts, ARRAY_LEN(parts)

static const struct client clients[] = {
    {"claude", "Claude Code", "claude", "npm install -g @anthropic-ai/claude-code", PARTS(claude)},
    {"codex", "Codex", "codex", "npm install -g @openai/codex", PARTS(codex)},
    {"opencode", "OpenCode", "opencode", "npm install -g opencode-ai", PARTS(opencode)},
    {"aider", "Aider", "aider", "pip install aider-chat", PARTS(aider)},
    {"llm", "the llm command", "llm", "pip install llm", PARTS(llm)},
    {"curl", "a request by hand", NULL, NULL, PARTS(curl)},
    {"openai-python", "OpenAI's SDK for Python", NULL, NULL, PARTS(openai_python)},
    {"openai-node", "OpenAI's SDK for JavaScript", NULL, NULL, PARTS(openai_node)},
    {"anthropic-python", "Anthropic's SDK for Python", NULL, NULL, PARTS(anthropic_python)},
    {"langchain", "LangChain for Python", NULL, NULL, PARTS(langchain)},
    {"ollama", "Ollama's command and libraries", NULL, NULL, PARTS(ollama)},
    {"open-webui", "Open WebUI", NULL, NULL, PARTS(open_webui)},
    {"continue", "Continue, in editors", NULL, NULL, PARTS(continue_dev)},
    {"zed", "the Zed editor", NULL, NULL, PARTS(zed)},
};

const struct client *client_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        if (strcmp(clients[i].name, name) == 0) return &clients[i];
    return NULL;
}

const struct client *clients_all(size_t *count)
{
    *count = ARRAY_LEN(clients);
    return clients;
}
