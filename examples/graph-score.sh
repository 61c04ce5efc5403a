# Part of graph-synth.sh and graph-lorenz.sh: trains on the table of a seed and scores the learned graph. It needs $PGAT, $out and $seed, and
# the config "$out/config-$seed.toml".

# score TRUTH [OPTION ..]: trains, compares with the edge list TRUTH, and prints and keeps the scores.
score() {
    truth=$1
    shift
    rm -rf "$out/run-$seed"
    "$PGAT" -q train "$out/config-$seed.toml" --out "$out/run-$seed" > /dev/null
    "$PGAT" -q inspect "$out/run-$seed" graph --truth "$truth" "$@" > "$out/graph-$seed.txt"
    score=$(sed -n 's/^Average precision[^:]*: \([0-9.]*\);.*curve \([0-9.]*\);.*/\1 \2/p' "$out/graph-$seed.txt")
    echo "$score" >> "$out/scores.txt"
    echo "seed $seed: average precision ${score% *}, area under the ROC curve ${score#* }"
}

# The mean of all scores.
mean() {
    awk '{ p += $1; a += $2 } END { printf "mean: average precision %.3f, area under the ROC curve %.3f\n", p / NR, a / NR }' "$out/scores.txt"
}
