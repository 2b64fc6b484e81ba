# Completion of hostler for fish.
complete -c hostler -n __fish_use_subcommand -f
complete -c hostler -n __fish_use_subcommand -a run -d 'load a model file and talk to it, or serve it'
complete -c hostler -n __fish_use_subcommand -a init -d 'find runtimes on this machine and write a first configuration'
complete -c hostler -n __fish_use_subcommand -a serve -d 'serve the models of a configuration to OpenAI clients'
complete -c hostler -n __fish_use_subcommand -a check -d 'tell what is wrong with a configuration'
complete -c hostler -n __fish_use_subcommand -a config -d 'print the configuration\'s schema, manual or effective values'
complete -c hostler -n __fish_use_subcommand -a cert -d 'make, show and check certificates for TLS'
complete -c hostler -n __fish_use_subcommand -a models -d 'list the models of a running gateway'
complete -c hostler -n __fish_use_subcommand -a chat -d 'chat with a model in the terminal'
complete -c hostler -n __fish_use_subcommand -a launch -d 'run Claude Code, Codex or another client with a gateway\'s model'
complete -c hostler -n __fish_use_subcommand -a client -d 'tell what points a client at a gateway'
complete -c hostler -n __fish_use_subcommand -a bench -d 'measure an OpenAI endpoint under load'
complete -c hostler -n __fish_use_subcommand -a mock -d 'a scripted OpenAI runtime for development and tests'
complete -c hostler -n __fish_use_subcommand -a version -d 'print the version'
complete -c hostler -n __fish_use_subcommand -a help -d 'explain a command: hostler help serve'
complete -c hostler -n '__fish_seen_subcommand_from run' -l listen -x -d 'serve at HOST:PORT, on this machine only, or unix:PATH, until Ctrl-C'
complete -c hostler -n '__fish_seen_subcommand_from run' -l name -x -d 'what clients call the model (the file\'s name without .gguf); for several files once for each, in their order'
complete -c hostler -n '__fish_seen_subcommand_from run' -l context -x -d 'tokens of a conversation (what the file says, at most 4096)'
complete -c hostler -n '__fish_seen_subcommand_from run' -l slots -x -d 'answers that are computed at the same time (4)'
complete -c hostler -n '__fish_seen_subcommand_from run' -l threads -x -d 'threads that compute (as many as help)'
complete -c hostler -n '__fish_seen_subcommand_from run' -l template -x -d 'chat template instead of the model\'s own: a file, or builtin:NAME'
complete -c hostler -n '__fish_seen_subcommand_from run' -l reasoning -x -d 'auto, or off: thoughts stay in the answer'
complete -c hostler -n '__fish_seen_subcommand_from run' -l system -x -d 'system message'
complete -c hostler -n '__fish_seen_subcommand_from run' -l no-history -d 'do not keep what is typed, nor recall what was kept; else it is in $XDG_STATE_HOME/hostler/history (~/.local/state/hostler/history)'
complete -c hostler -n '__fish_seen_subcommand_from run' -s m -l message -x -d 'the question; - reads it from standard input'
complete -c hostler -n '__fish_seen_subcommand_from run' -l log -r -d 'all that gateway and engine say; without it only problems are shown'
complete -c hostler -n '__fish_seen_subcommand_from run' -s h -l help -d 'this text'
complete -c hostler -n '__fish_seen_subcommand_from init' -s o -l output -r -d 'where to (hostler.yaml); - is standard output'
complete -c hostler -n '__fish_seen_subcommand_from init' -l upstream -x -d 'a runtime, as http://HOST:PORT/v1, instead of looking; repeatable'
complete -c hostler -n '__fish_seen_subcommand_from init' -l key -x -d 'API key that the runtimes are sent'
complete -c hostler -n '__fish_seen_subcommand_from init' -l model -r -d 'a GGUF file, or several with commas between them; repeatable'
complete -c hostler -n '__fish_seen_subcommand_from init' -l listen -x -d 'where clients call, HOST:PORT or unix:PATH (127.0.0.1:8080); beyond this machine they need a key, which is made'
complete -c hostler -n '__fish_seen_subcommand_from init' -s y -l yes -d 'ask nothing, take what is found'
complete -c hostler -n '__fish_seen_subcommand_from init' -s f -l force -d 'replace a file that is there'
complete -c hostler -n '__fish_seen_subcommand_from init' -s h -l help -d 'this text'
complete -c hostler -n '__fish_seen_subcommand_from serve' -s c -l config -r -d 'the configuration; default: $HOSTLER_CONFIG, else ./hostler.yaml, else /etc/hostler/hostler.yaml'
complete -c hostler -n '__fish_seen_subcommand_from serve' -l model -r -d 'a GGUF file, or several with commas between them; repeatable'
complete -c hostler -n '__fish_seen_subcommand_from serve' -l upstream -x -d 'a runtime, as http://HOST:PORT/v1; repeatable'
complete -c hostler -n '__fish_seen_subcommand_from serve' -l key -x -d 'API key that the runtimes are sent'
complete -c hostler -n '__fish_seen_subcommand_from serve' -l listen -x -d 'HOST:PORT or unix:PATH (127.0.0.1:8080)'
complete -c hostler -n '__fish_seen_subcommand_from serve' -s h -l help -d 'this text'
complete -c hostler -n '__fish_seen_subcommand_from check' -s c -l config -r -d 'the configuration; default: $HOSTLER_CONFIG, else ./hostler.yaml, else /etc/hostler/hostler.yaml'
complete -c hostler -n '__fish_seen_subcommand_from check' -l json -d 'print one JSON object'
complete -c hostler -n '__fish_seen_subcommand_from config' -a errors
complete -c hostler -n '__fish_seen_subcommand_from config' -a failures
complete -c hostler -n '__fish_seen_subcommand_from config' -a manual
complete -c hostler -n '__fish_seen_subcommand_from config' -a metrics
complete -c hostler -n '__fish_seen_subcommand_from config' -a schema
complete -c hostler -n '__fish_seen_subcommand_from config' -a show
complete -c hostler -n '__fish_seen_subcommand_from config' -s c -l config -r -d 'the configuration; default: $HOSTLER_CONFIG, else ./hostler.yaml, else /etc/hostler/hostler.yaml'
complete -c hostler -n '__fish_seen_subcommand_from config' -l json -d 'print JSON instead of YAML'
complete -c hostler -n '__fish_seen_subcommand_from cert' -a check
complete -c hostler -n '__fish_seen_subcommand_from cert' -a init
complete -c hostler -n '__fish_seen_subcommand_from cert' -a show
complete -c hostler -n '__fish_seen_subcommand_from cert' -l key -r -d 'it must belong to this private key'
complete -c hostler -n '__fish_seen_subcommand_from cert' -l ca -r -d 'it must be signed by a CA of this file'
complete -c hostler -n '__fish_seen_subcommand_from cert' -l name -x -d 'one more host name, IP address or URI (spiffe://...); may be repeated'
complete -c hostler -n '__fish_seen_subcommand_from cert' -l days -x -d 'it must be valid for N more days'
complete -c hostler -n '__fish_seen_subcommand_from cert' -l force -d 'replace node.pem and node.key; the CA stays as it is'
complete -c hostler -n '__fish_seen_subcommand_from cert' -l json -d 'a JSON array with an object for each certificate'
complete -c hostler -n '__fish_seen_subcommand_from models' -l url -x -d 'http://HOST:PORT[/base] or unix:PATH ($HOSTLER_URL, else http://127.0.0.1:8080)'
complete -c hostler -n '__fish_seen_subcommand_from models' -l key -x -d 'API key ($HOSTLER_KEY)'
complete -c hostler -n '__fish_seen_subcommand_from models' -l json -d 'a JSON array of objects with id, owned_by and created'
complete -c hostler -n '__fish_seen_subcommand_from chat' -l url -x -d 'http://HOST:PORT[/base] or unix:PATH ($HOSTLER_URL, else http://127.0.0.1:8080)'
complete -c hostler -n '__fish_seen_subcommand_from chat' -l key -x -d 'API key ($HOSTLER_KEY)'
complete -c hostler -n '__fish_seen_subcommand_from chat' -l system -x -d 'system message'
complete -c hostler -n '__fish_seen_subcommand_from chat' -l no-history -d 'do not keep what is typed, nor recall what was kept; else it is in $XDG_STATE_HOME/hostler/history (~/.local/state/hostler/history)'
complete -c hostler -n '__fish_seen_subcommand_from chat' -s m -l message -x -d 'ask this, print the answer to stdout and leave; - reads it from stdin'
complete -c hostler -n '__fish_seen_subcommand_from launch' -a aider
complete -c hostler -n '__fish_seen_subcommand_from launch' -a claude
complete -c hostler -n '__fish_seen_subcommand_from launch' -a codex
complete -c hostler -n '__fish_seen_subcommand_from launch' -a llm
complete -c hostler -n '__fish_seen_subcommand_from launch' -a opencode
complete -c hostler -n '__fish_seen_subcommand_from launch' -l model -x -d 'model (the first one that the gateway lists)'
complete -c hostler -n '__fish_seen_subcommand_from launch' -l url -x -d 'http://HOST:PORT[/base] ($HOSTLER_URL, else http://127.0.0.1:8080); https:// only with --model, and without looking whether it is there'
complete -c hostler -n '__fish_seen_subcommand_from launch' -l key -x -d 'API key ($HOSTLER_KEY)'
complete -c hostler -n '__fish_seen_subcommand_from launch' -s h -l help -d 'this text sets ANTHROPIC_BASE_URL ANTHROPIC_AUTH_TOKEN ANTHROPIC_MODEL ANTHROPIC_SMALL_FAST_MODEL ANTHROPIC_DEFAULT_HAIKU_MODEL ANTHROPIC_DEFAULT_SONNET_MODEL ANTHROPIC_DEFAULT_OPUS_MODEL ANTHROPIC_DEFAULT_FABLE_MODEL takes out ANTHROPIC_API_KEY CLAUDE_CODE_USE_BEDROCK CLAUDE_CODE_USE_VERTEX CLAUDE_CODE_USE_FOUNDRY writes to FOLDER: settings.json claude --settings FOLDER/settings.json sets HOSTLER_KEY codex -c model="M" -c model_provider="hostler" -c model_providers.hostler={name="Hostler",base_url="URL/v1",env_key="HOSTLER_KEY",wire_api="responses"} sets OPENCODE_CONFIG_CONTENT HOSTLER_KEY sets AIDER_OPENAI_API_KEY aider --openai-api-base URL/v1 --model openai/M --weak-model openai/M sets LLM_USER_PATH LLM_MODEL OPENAI_API_KEY writes to FOLDER: extra-openai-models.yaml'
complete -c hostler -n '__fish_seen_subcommand_from client' -l model -x -d 'model (the first one that the gateway lists)'
complete -c hostler -n '__fish_seen_subcommand_from client' -l url -x -d 'http://HOST:PORT[/base] ($HOSTLER_URL, else http://127.0.0.1:8080); https:// only with --model, and without looking whether it is there'
complete -c hostler -n '__fish_seen_subcommand_from client' -l key -x -d 'API key ($HOSTLER_KEY)'
complete -c hostler -n '__fish_seen_subcommand_from client' -l json -d 'one JSON object; of the list, an array'
complete -c hostler -n '__fish_seen_subcommand_from client' -s h -l help -d 'this text'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l model -x -d 'model (the first one that the endpoint lists)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l key -x -d 'API key ($HOSTLER_KEY)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l rate -x -d 'open loop: R requests per second, whatever the answers do'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l arrival -x -d 'poisson or constant (poisson)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l concurrency -x -d 'closed loop: C requests in flight (1, when there is no --rate)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l connections -x -d 'open loop: at most N in flight; others wait, and their wait counts (10000)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l duration -x -d 'measure for so long: 30, 500ms, 2m (10)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l requests -x -d 'measure so many requests instead'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l warmup -x -d 'unmeasured time before (0)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l timeout -x -d 'of one request, from its due time (120)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l prompt-tokens -x -d 'words of the prompt: 128, or 64-256 for a uniform choice (128)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l output-tokens -x -d 'max_tokens, likewise; 0: not sent (128)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l shared-prefix -x -d 'words at the start that all prompts share (0)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l stream -d '(streamed)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l no-stream -d '(streamed)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l completions -d '/v1/completions instead of chat'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l extra -x -d 'an object whose members are added to each request'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l goodput -x -d 'share of requests within ttft=500ms,itl=50ms,total=10s (any of them; itl is a request\'s mean)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l seed -x -d 'of prompts and arrivals (1)'
complete -c hostler -n '__fish_seen_subcommand_from bench' -l json -d 'one JSON object instead of the table'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l listen -x -d 'HOST:PORT or unix:PATH; may be repeated (127.0.0.1:8090)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l tls -r -d 'TLS on all of them, with a certificate and its key: two PEM files, or one with both'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l kind -x -d 'answers what one product does, and 404 else; one of those below (everything)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l models -x -d 'names, comma-separated, or a number N for model-0 ... (any name is served)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l threads -x -d 'threads that serve (1)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l record -x -d 'keep the last N requests for GET /mock/requests (0)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l seed -x -d 'of the random choices (1)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l ttft-ms -d 'MS: time to the first token (0)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l rate -d 'R: tokens per second and stream; 0: as fast as the client reads (0)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l tokens -d 'N: tokens of an answer (the request\'s max_tokens, or 16)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l pad -d 'BYTES: filler behind each token (0)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l prompt-tokens -d 'N: prompt tokens that usage reports (bytes of the prompt / 4)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l cached-tokens -d 'N: cached tokens that usage reports (0)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l written-tokens -d 'N: tokens written to a cache that usage reports (0)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l completion-tokens -x -d 'completion tokens that usage reports (those of the answer)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l reasoning-tokens -x -d 'reasoning tokens that usage reports (those of the answer)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l error-rate -d 'P: share of requests that get the error (0)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l status -d 'CODE: every request gets this error; with error_rate or fail_first: those'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l fail-first -d 'N: the first N requests with the same id get the error'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l retry-after -d 'S: Retry-After of an error'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l stall-after -d 'N: falls silent after N tokens'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l stall-ms -d 'MS: silent for so long (until the client leaves)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l die-after -d 'N: closes the connection after N tokens'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l die -d 'fin|rst: how it closes (fin)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l die-before-head -d 'closes instead of answering'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l error-after -d 'N: an error event after N tokens ends the stream'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l no-done -d 'streams end without finish_reason, usage and [DONE]'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l early-head -d 'the head leaves at once, not with the first token'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l comment-ms -d 'MS: comment lines while nothing else is sent'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l usage-always -d 'streams carry usage though nobody asked'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l no-usage -d 'answers carry no usage'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l echo -d 'the answer is the text of the last message'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l reasoning-name -d 'reasoning_content|reasoning|both: what a chat calls it (reasoning_content)'
complete -c hostler -n '__fish_seen_subcommand_from mock' -l health -d 'CODE: status of /health (200)'
complete -c hostler -n '__fish_seen_subcommand_from help' -a run
complete -c hostler -n '__fish_seen_subcommand_from help' -a init
complete -c hostler -n '__fish_seen_subcommand_from help' -a serve
complete -c hostler -n '__fish_seen_subcommand_from help' -a check
complete -c hostler -n '__fish_seen_subcommand_from help' -a config
complete -c hostler -n '__fish_seen_subcommand_from help' -a cert
complete -c hostler -n '__fish_seen_subcommand_from help' -a models
complete -c hostler -n '__fish_seen_subcommand_from help' -a chat
complete -c hostler -n '__fish_seen_subcommand_from help' -a launch
complete -c hostler -n '__fish_seen_subcommand_from help' -a client
complete -c hostler -n '__fish_seen_subcommand_from help' -a bench
complete -c hostler -n '__fish_seen_subcommand_from help' -a mock
complete -c hostler -n '__fish_seen_subcommand_from help' -a version
complete -c hostler -n '__fish_seen_subcommand_from help' -a help
