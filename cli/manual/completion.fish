# Completion of ocelli for fish. Generated from the command's own tables; it runs nothing of ocelli.

# Whether the words before the cursor begin with these, behind ocelli.
function __ocelli_in
    set -l words (commandline -opc)
    for i in (seq (count $argv))
        test "$words["(math $i + 1)"]" = $argv[$i]; or return 1
    end
end

# Whether they are these and no more.
function __ocelli_at
    test (count (commandline -opc)) -eq (math 1 + (count $argv)); and __ocelli_in $argv
end

# What is typed of a value, be it a word of its own or behind a flag's equals sign.
function __ocelli_typed
    commandline -ct | string replace -r -- '^--[a-z-]+=' ''
end

# Folders, and files whose names end so; any without an argument.
function __ocelli_files
    set -l typed (__ocelli_typed)
    set -l suffix (string escape --style=regex -- "$argv[1]")
    __fish_complete_path $typed | string match -r -- "^[^\\t]*(?:/|$suffix)(?:\\t.*)?\$"
end

function __ocelli_folders
    __fish_complete_directories (__ocelli_typed)
end

function __ocelli_models
{{models}}
end

function __ocelli_settings
    set -l key (__ocelli_typed | string match -r -- '^[^=]+=' | string trim -r -c =)
    switch "$key"
{{settings}}
    case ''
{{keys}}
    end
end

# Files are offered where a value or a word is one, and nowhere else.
complete -c ocelli -f
complete -c ocelli -n __ocelli_at -l help -d 'list the subcommands'
complete -c ocelli -n __ocelli_at -l version -d 'print versions, processor and threads'
{{subcommands}}
{{flags}}
