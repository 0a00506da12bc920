# What fish would offer: fish complete.fish FILE LINE...
# Reads the completions, and prints, for each line, "== LINE" and below it what is offered.
source $argv[1]
for line in $argv[2..-1]
    echo "== $line"
    complete -C "$line"
end
