#!/usr/bin/env bash
# status.sh SYSTEM JOB prints running, success or failed.
#
# Without it a job whose node died, or that the system ended, would be waited for without end. A
# job that the system does not answer for (a controller that restarts) is still running; one that
# it does not know any more is not.
set -uo pipefail

system=$1 job=$2

case $system in
sbatch)
    if ! state=$(squeue --noheader --states=all --jobs="$job" --format=%T 2>&1); then
        case $state in *"Invalid job id"*) state= ;; *) state=RUNNING ;; esac
    fi
    if [[ -z $state ]]; then
        state=$(sacct --noheader --allocations --jobs="$job" --format=State 2>/dev/null | head -1)
    fi
    case ${state%%[ +]*} in
    COMPLETED) echo success ;;
    PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | STOPPED | RESIZING | \
        REQUEUED | REQUEUE_HOLD | REQUEUE_FED | SIGNALING | STAGE_OUT) echo running ;;
    *) echo failed ;;
    esac
    ;;
sge) # the accounting file comes some seconds after the job has gone
    for _ in 1 2 3 4 5; do
        if qstat -j "$job" >/dev/null 2>&1; then
            echo running
            exit
        fi
        if ended=$(qacct -j "$job" 2>/dev/null); then
            if grep -Eq '^exit_status +0 *$' <<<"$ended" && grep -Eq '^failed +0 *$' <<<"$ended"; then
                echo success
            else
                echo failed
            fi
            exit
        fi
        sleep 3
    done
    echo failed
    ;;
pbs)
    known=$(qstat -x -f "$job" 2>/dev/null)
    if ! grep -q 'job_state = F' <<<"$known"; then
        if [[ -n $known ]]; then echo running; else echo failed; fi
    elif grep -Eq 'Exit_status = 0$' <<<"$known"; then
        echo success
    else
        echo failed
    fi
    ;;
lsf)
    case $(bjobs -noheader -o stat "$job" 2>/dev/null) in
    DONE) echo success ;;
    PEND | RUN | PSUSP | USUSP | SSUSP | WAIT | PROV | UNKWN) echo running ;;
    *) echo failed ;;
    esac
    ;;
*)
    echo "status.sh: unknown batch system '$system'; use sbatch, sge, pbs or lsf" >&2
    exit 2
    ;;
esac
