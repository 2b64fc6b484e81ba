/* SPDX-License-Identifier: Apache-2.0 */
#include "desk/front_html.h"

const char *front_entity(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

/* clang-format off */
const char FRONT_HEAD[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<title>Hostler</title>\n"
    "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%230b6e4f'/%3E"
    "%3Cpath d='M5 3v10M11 3v10M5 8h6' stroke='white' stroke-width='2'/%3E%3C/svg%3E\">\n"
    "<style nonce=\"@\">\n";

const char FRONT_STYLE[] =
    ":root { --ink: #1b1f23; --dim: #59636e; --paper: #fff; --field: #f3f5f7; --line: #d5dbe1; --green: #0b6e4f; --amber: #8a5a00;"
    " --red: #b42318; }\n"
    "@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --dim: #9aa4ae; --paper: #15181b; --field: #1f2428; --line: #343b42;"
    " --green: #5fd3a5; --amber: #e3b341; --red: #ff8f85; } }\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }\n"
    "main { max-width: 52rem; margin: 0 auto; padding: 2rem 1rem 3rem; }\n"
    "h1 { font-size: 1.75rem; margin: 0; }\n"
    "h1 small { font-size: .9rem; font-weight: 400; color: var(--dim); }\n"
    "h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }\n"
    "h3 { font-size: .9rem; font-weight: 600; color: var(--dim); margin: 1rem 0 .25rem; }\n"
    "p { margin: .25rem 0; }\n"
    ".wide { overflow-x: auto; }\n"
    "table { width: 100%; border-collapse: collapse; }\n"
    "th, td { text-align: left; padding: .45rem .75rem .45rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }\n"
    "th { font-size: .85rem; color: var(--dim); font-weight: 600; }\n"
    "td small { display: block; color: var(--dim); }\n"
    "code, pre { font: 14px/1.5 ui-monospace, monospace; }\n"
    "td code { overflow-wrap: anywhere; }\n"
    "pre { margin: 0; padding: .75rem 1rem; background: var(--field); border: 1px solid var(--line); border-radius: 8px; overflow-x: auto; }\n"
    "a { color: var(--green); }\n"
    ".up { color: var(--green); } .idle { color: var(--amber); } .down { color: var(--red); }\n"
    "footer { margin-top: 2.5rem; color: var(--dim); font-size: .9rem; }\n";

const char FRONT_BODY[] =
    "</style>\n"
    "</head>\n"
    "<body>\n"
    "<main>\n"
    "<h1>Hostler <small>@</small></h1>\n"
    "<p>One address for every LLM runtime a team owns.</p>\n";

const char FRONT_READY[] = "<p class=\"up\">Ready for requests.</p>\n";
const char FRONT_NOT_READY[] = "<p class=\"down\">Not ready: no model can be asked now.</p>\n";

const char FRONT_MODELS_BEGIN[] =
    "<h2>Models</h2>\n"
    "<div class=\"wide\"><table>\n"
    "<thead><tr><th>name</th><th>runs on</th><th>state</th></tr></thead>\n"
    "<tbody>\n";
const char FRONT_MODELS_END[] = "</tbody>\n</table></div>\n";
const char FRONT_NO_MODELS[] =
    "<p>None yet. Add <code>models</code> or <code>runtimes</code> to the configuration; "
    "<code>hostler init</code> looks for runtimes on this machine.</p>\n";
const char FRONT_MORE_MODELS[] = "<p>And @ more: <a href=\"/v1/models\">/v1/models</a> has them all.</p>\n";

const char FRONT_LOCKED[] =
    "<h2>Models</h2>\n"
    "<p>Who has a key sees them: <code>curl -H \"Authorization: Bearer $HOSTLER_KEY\"</code> on "
    "<code>/v1/models</code>.</p>\n";

const char FRONT_CALLS_BEGIN[] = "<h2>How to call it</h2>\n";

const struct front_call front_calls[FRONT_CALL_COUNT] = {
    {"curl",
     {{"curl @/v1/chat/completions \\\n", FRONT_ORIGIN, FRONT_ALWAYS},
      {"  -H \"Authorization: Bearer $HOSTLER_KEY\" \\\n", FRONT_ORIGIN, FRONT_WITH_KEY},
      {"  -H 'content-type: application/json' \\\n"
       "  -d '{\"model\": \"@\",\n       \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'", FRONT_MODEL, FRONT_ALWAYS}}},
    {"Python, OpenAI's SDK",
     {{"import os\n", FRONT_ORIGIN, FRONT_WITH_KEY},
      {"from openai import OpenAI\n\n", FRONT_ORIGIN, FRONT_ALWAYS},
      {"client = OpenAI(base_url=\"@/v1\", api_key=", FRONT_ORIGIN, FRONT_ALWAYS},
      {"os.environ[\"HOSTLER_KEY\"])\n", FRONT_ORIGIN, FRONT_WITH_KEY},
      {"\"none\")\n", FRONT_ORIGIN, FRONT_WITHOUT_KEY},
      {"answer = client.chat.completions.create(\n"
       "    model=\"@\",\n"
       "    messages=[{\"role\": \"user\", \"content\": \"Hello\"}])\n", FRONT_MODEL, FRONT_ALWAYS},
      {"print(answer.choices[0].message.content)", FRONT_ORIGIN, FRONT_ALWAYS}}},
    {"Claude Code",
     {{"ANTHROPIC_BASE_URL=@ \\\n", FRONT_ORIGIN, FRONT_ALWAYS},
      {"ANTHROPIC_AUTH_TOKEN=$HOSTLER_KEY \\\n", FRONT_ORIGIN, FRONT_WITH_KEY},
      {"ANTHROPIC_AUTH_TOKEN=none \\\n", FRONT_ORIGIN, FRONT_WITHOUT_KEY},
      {"claude --model '@'", FRONT_MODEL, FRONT_ALWAYS}}},
    {"Clients of Ollama", {{"OLLAMA_HOST=@ ollama ", FRONT_ORIGIN, FRONT_ALWAYS}, {"run '@'", FRONT_MODEL, FRONT_ALWAYS}}},
    {"Hostler",
     {{"hostler chat --url @ ", FRONT_ORIGIN, FRONT_ALWAYS},
      {"--key \"$HOSTLER_KEY\" ", FRONT_ORIGIN, FRONT_WITH_KEY},
      {"'@'", FRONT_MODEL, FRONT_ALWAYS}}},
};

const char FRONT_END[] =
    "<footer>Also here: <a href=\"/v1/models\">/v1/models</a>, <a href=\"/readyz\">/readyz</a>, <a href=\"/metrics\">/metrics</a>. "
    "Programs that accept JSON get this page as JSON.</footer>\n"
    "</main>\n"
    "</body>\n"
    "</html>\n";
/* clang-format on */
