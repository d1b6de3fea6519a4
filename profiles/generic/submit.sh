#!/usr/bin/env bash
# submit.sh SYSTEM QUEUE GPUS MEMORY_MB MINUTES CORES [FLAG...] JOBSCRIPT
#
# Sends a job script to a batch system and prints the job's id and nothing else.
set -euo pipefail

system=$1 queue=$2 gpus=$3 memory=$4 minutes=$5 cores=$6
shift 6
logs=logs/cluster
mkdir -p "$logs"

case $system in
sbatch)
    flags=(--parsable --partition="$queue" --mem="${memory}M" --time="$minutes"
        --ntasks=1 --cpus-per-task="$cores" --output="$logs/%j.log")
    if ((gpus > 0)); then flags+=(--gpus="$gpus"); fi
    printed=$(sbatch "${flags[@]}" "$@")
    echo "${printed%%;*}"
    ;;
sge) # memory is counted a slot; the names of the parallel environment and the GPU are the site's
    flags=(-terse -cwd -V -j y -o "$logs/" -q "$queue" -pe smp "$cores"
        -l "h_vmem=$((memory / cores))M" -l "h_rt=$((minutes * 60))")
    if ((gpus > 0)); then flags+=(-l "gpu=$gpus"); fi
    exec qsub "${flags[@]}" "$@"
    ;;
pbs)
    select="select=1:ncpus=$cores:mem=${memory}mb"
    if ((gpus > 0)); then select+=":ngpus=$gpus"; fi
    exec qsub -V -j oe -o "$logs/" -q "$queue" -l "$select" -l "walltime=$((minutes * 60))" "$@"
    ;;
lsf) # prints: Job <12> is submitted to queue <cpu>.
    flags=(-q "$queue" -n "$cores" -R "span[hosts=1]" -M "${memory}MB" -W "$minutes"
        -o "$logs/%J.log")
    if ((gpus > 0)); then flags+=(-gpu "num=$gpus"); fi
    bsub "${flags[@]}" "$@" | sed -n 's/^Job <\([0-9]*\)>.*/\1/p'
    ;;
*)
    echo "submit.sh: unknown batch system '$system'; use sbatch, sge, pbs or lsf" >&2
    exit 2
    ;;
esac
