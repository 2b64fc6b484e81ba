# Completion of hostler for bash.
_hostler()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "run init serve check config cert models chat launch client bench mock version help" -- "$word")
        return
    fi
    case ${COMP_WORDS[1]} in
    run)
        case $before in
        --log)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "--listen --name --context --slots --threads --template --reasoning --system --no-history --message --log --help" -- "$word")
        ;;
    init)
        case $before in
        -o | --output | --model)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "--output --upstream --key --model --listen --yes --force --help" -- "$word")
        ;;
    serve)
        case $before in
        -c | --config | --model)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "--config --model --upstream --key --listen --help" -- "$word")
        ;;
    check)
        case $before in
        -c | --config)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "--config --json" -- "$word")
        ;;
    config)
        case $before in
        -c | --config)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "errors failures manual metrics schema show --config --json" -- "$word")
        ;;
    cert)
        case $before in
        --key | --ca)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "check init show --key --ca --name --days --force --json" -- "$word")
        ;;
    models)
        mapfile -t COMPREPLY < <(compgen -W "--url --key --json" -- "$word")
        ;;
    chat)
        mapfile -t COMPREPLY < <(compgen -W "--url --key --system --no-history --message" -- "$word")
        ;;
    launch)
        mapfile -t COMPREPLY < <(compgen -W "aider claude codex llm opencode --model --url --key --help" -- "$word")
        ;;
    client)
        mapfile -t COMPREPLY < <(compgen -W "--model --url --key --json --help" -- "$word")
        ;;
    bench)
        mapfile -t COMPREPLY < <(compgen -W "--model --key --rate --arrival --concurrency --connections --duration --requests --warmup --timeout --prompt-tokens --output-tokens --shared-prefix --stream --no-stream --completions --extra --goodput --seed --json" -- "$word")
        ;;
    mock)
        case $before in
        --tls)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "--listen --tls --kind --models --threads --record --seed --ttft-ms --rate --tokens --pad --prompt-tokens --cached-tokens --written-tokens --completion-tokens --reasoning-tokens --error-rate --status --fail-first --retry-after --stall-after --stall-ms --die-after --die --die-before-head --error-after --no-done --early-head --comment-ms --usage-always --no-usage --echo --reasoning-name --health" -- "$word")
        ;;
    version)
        mapfile -t COMPREPLY < <(compgen -W "" -- "$word")
        ;;
    help)
        mapfile -t COMPREPLY < <(compgen -W "run init serve check config cert models chat launch client bench mock version help" -- "$word")
        ;;
    esac
    [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _hostler hostler
