# GNU make on Linux; the recipes are POSIX sh. `make` alone lists what there is.
#
# A value arrives as it was typed, spaces, quotes, commas and $ included:
#
#     make push-live-30m METRIC_NAME=cpu LABELS='cpu=a,uuid=b' DESCRIPTION="It's 50% \$5"
#
# For that, $(value X) keeps make from expanding it, the subst quotes it for the shell,
# and it is not exported (exporting would expand it). Only a line break cannot pass, and
# says so. The same names are read from the environment, but for URL, PREFIX, FILE and ARGS,
# which others set for other ends: a token would go to such a URL. An empty one gives no flag,
# and what is missing then is said by push-live-metrics itself.
#
# make ends with 2 whenever a recipe fails; the exit code of push-live-metrics stands in
# make's message: `make: *** [Makefile:60: push-live] Error 3`.

SHELL := /bin/sh
.SUFFIXES:
.DEFAULT_GOAL := help

# The recipes name files of this folder.
$(if $(wildcard scripts/setup.sh),,$(error run make in the folder of this Makefile, or with -C FOLDER))

VARIABLES := METRIC_NAME LABELS DURATION TREND_COEFFICIENT FLAT_BASE DESCRIPTION URL PREFIX \
	START_EPOCH END_EPOCH STEP_SIZE INCIDENTS FILE ARGS
unexport $(VARIABLES) TARGET

typed = $(findstring command line,$(origin $1))
$(foreach name,URL PREFIX FILE ARGS,$(if $(call typed,$(name)),,$(eval override $(name) :=)))

# A typed variable that is named as a flag, and is none of ours, would do nothing. ENV is read by
# push-live-metrics itself.
UNKNOWN := $(filter-out $(VARIABLES) ENV,$(foreach name,$(.VARIABLES),$(if $(call typed,$(name)),$(name))))
ifneq ($(UNKNOWN),)
UNKNOWN := $(firstword $(filter $(UNKNOWN),\
	$(shell sed -n 's/^| `--\([a-z-]*\).*/\1/p' docs/guide.md | tr a-z- A-Z_)))
$(if $(UNKNOWN),$(error $(UNKNOWN) is no variable of this Makefile: \
	give the flag as ARGS='--$(shell echo $(UNKNOWN) | tr A-Z_ a-z-) ...'; the variables are $(VARIABLES)))
endif

# $(call needed,NAME,--flag): NAME, where neither it nor the flag in ARGS is given.
needed = $(if $(value $1)$(findstring $2,$(value ARGS)),,$1)
NEEDED = $(call needed,METRIC_NAME,--metric-name) $(call needed,LABELS,--labels)
ifneq ($(filter push-live,$(MAKECMDGOALS)),)
NEEDED += $(if $(findstring --end-epoch,$(value ARGS)),,$(call needed,DURATION,--duration))
endif
ifneq ($(filter backfill,$(MAKECMDGOALS)),)
NEEDED += $(if $(findstring --since,$(value ARGS)),,\
	$(call needed,START_EPOCH,--start-epoch) $(call needed,END_EPOCH,--end-epoch))
endif
GOAL := $(firstword $(filter push-live% backfill%,$(MAKECMDGOALS)))
EXAMPLE = METRIC_NAME=cpu LABELS='cpu=a,uuid=b'$(if $(filter push-live,$(GOAL)), DURATION=30)$(if \
	$(filter backfill,$(GOAL)), START_EPOCH=2026-01-01T00:00:00Z END_EPOCH=2026-01-02T00:00:00Z)
$(if $(and $(GOAL),$(strip $(NEEDED))),$(error $(GOAL) needs $(strip $(NEEDED)): make $(GOAL) $(EXAMPLE)))

BINARY := $(or $(CARGO_TARGET_DIR),target)/release/push-live-metrics

define newline


endef

# $(call quoted,NAME): the variable's value, untouched, as one word for the shell.
quoted = $(if $(findstring $(newline),$(value $1)),$(error $1 must be one line))'$(subst ','\'',$(value $1))'
# $(call flag,--flag,NAME): nothing for an empty variable, else the flag and its value.
flag = $(if $(value $2),$1 $(call quoted,$2))

# As it was typed: the shell splits it.
MORE_FLAGS = $(if $(findstring $(newline),$(value ARGS)),$(error ARGS must be one line))$(value ARGS)
# Every flag but --duration, which a target may fix.
SERIES_FLAGS = $(call flag,--metric-name,METRIC_NAME) $(call flag,--labels,LABELS) \
	$(call flag,--trend-coefficient,TREND_COEFFICIENT) $(call flag,--flat-base,FLAT_BASE) \
	$(call flag,--description,DESCRIPTION) $(INCIDENT_FLAGS)
# One flag for each text between semicolons.
INCIDENT_FLAGS = $(if $(value INCIDENTS),--incident $(subst ;,' --incident ',$(call quoted,INCIDENTS)))
TARGET_FLAGS = $(call flag,--url,URL)
# exec, so that a signal which make passes on reaches the binary itself.
PUSH_LIVE = exec '$(BINARY)' $(SERIES_FLAGS) $(TARGET_FLAGS)
STEP_FLAGS = $(call flag,--step-size,STEP_SIZE)
WINDOW_FLAGS = $(call flag,--start-epoch,START_EPOCH) $(call flag,--end-epoch,END_EPOCH)
BACKFILL = exec '$(BINARY)' backfill $(SERIES_FLAGS) $(STEP_FLAGS)
# Blocks that end later would hide what a Prometheus has of other series; whole hours fit any step.
FILE_WINDOW = $(if $(findstring --since,$(value ARGS)),,$(if $(value END_EPOCH),$(WINDOW_FLAGS),\
	$(or $(call flag,--start-epoch,START_EPOCH),--start-epoch "$$((end - 21 * 86400))") --end-epoch "$$end"))
# Without it the datapoints would be pushed.
FILE_FLAGS = $(or $(call flag,--output,FILE),$(error FILE is needed: make backfill-file FILE=history.om))

.PHONY: help
help: ## list the targets and variables (the default)
	@echo 'Targets:'
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS='	' read -r name text; \
		do printf '  %-14s %s\n' "$$name" "$$text"; done
	@echo
	@echo 'Variables (on the command line; but for URL, PREFIX, FILE and ARGS in the environment, too):'
	@sed -n 's/^#: \([A-Z_]*\) \(.*\)/\1\t\2/p' Makefile | while IFS='	' read -r name text; \
		do printf '  %-18s %s\n' "$$name" "$$text"; done
	@echo
	@echo 'Example: make push-live-30m METRIC_NAME=cpu LABELS='\''cpu=a,uuid=b'\'' URL=http://127.0.0.1:9090/api/v1/write'

#: METRIC_NAME name of the metric; needed to push
#: LABELS K=V,... of the series; needed to push
#: DURATION how long push-live runs, in minutes (10s and 2h work too); needed there
#: TREND_COEFFICIENT growth per trend unit (0.1)
#: FLAT_BASE base value (5)
#: DESCRIPTION HELP text of the metric ("Live metric data")
#: URL remote-write endpoint; without it REMOTE_WRITE_URL or ENV from the environment or .env
#: START_EPOCH begin of the backfill, epoch seconds or RFC 3339; needed by backfill
#: END_EPOCH its end, excluded; needed by backfill
#: STEP_SIZE from one datapoint of a backfill to the next, in minutes (15)
#: INCIDENTS known incidents, separated by ';': INCIDENTS='gap@10m+5m;shift@20m+5m=40'
#: FILE where backfill-file writes OpenMetrics text; needed there
#: ARGS any other flags, quoted as for a shell: ARGS='--seed 7 --verbose'
#: PREFIX where make install puts the binary (PREFIX/bin); without it install only builds

.PHONY: build
build: ## build the release binary
	@command -v cc >/dev/null || scripts/setup.sh --say build
	@test -x '$(BINARY)' || echo 'Building the release binary; the first time takes about a minute.' >&2
	@cargo build --release --locked --quiet

.PHONY: install
install: build ## build, and with PREFIX=DIR install into DIR/bin
ifneq ($(value PREFIX),)
	@install -D -m 755 '$(BINARY)' $(call quoted,PREFIX)/bin/push-live-metrics
	@echo installed $(call quoted,PREFIX)/bin/push-live-metrics
else
	@echo 'built $(BINARY); with PREFIX=DIR it is installed into DIR/bin'
endif

.PHONY: push-live
push-live: build ## push one datapoint a minute for DURATION
	@$(PUSH_LIVE) $(call flag,--duration,DURATION) $(MORE_FLAGS)

.PHONY: push-live-30m
push-live-30m: build ## push for 30 minutes
	@$(PUSH_LIVE) --duration 30 $(MORE_FLAGS)

.PHONY: push-live-1h
push-live-1h: build ## push for an hour
	@$(PUSH_LIVE) --duration 60 $(MORE_FLAGS)

.PHONY: push-live-2h
push-live-2h: build ## push for two hours
	@$(PUSH_LIVE) --duration 120 $(MORE_FLAGS)

.PHONY: backfill
backfill: build ## push the past from START_EPOCH to END_EPOCH
	@$(BACKFILL) $(TARGET_FLAGS) $(WINDOW_FLAGS) $(MORE_FLAGS)

.PHONY: backfill-1d
backfill-1d: build ## push the last day
	@$(BACKFILL) $(TARGET_FLAGS) --since 1d $(MORE_FLAGS)

.PHONY: backfill-7d
backfill-7d: build ## push the last 7 days
	@$(BACKFILL) $(TARGET_FLAGS) --since 7d $(MORE_FLAGS)

.PHONY: backfill-21d
backfill-21d: build ## push the last 21 days
	@$(BACKFILL) $(TARGET_FLAGS) --since 21d $(MORE_FLAGS)

.PHONY: backfill-file
backfill-file: build ## write the past into FILE, for blocks; without END_EPOCH it ends 3 hours ago
	@end=$$(( ($$(date +%s) - 3 * 3600) / 3600 * 3600 )); $(BACKFILL) $(FILE_FLAGS) $(FILE_WINDOW) $(MORE_FLAGS)

.PHONY: demo demo-alert
demo: ## see it work: 30 datapoints into a throw-away Prometheus; installs a compiler if need be
demo-alert: ## see two alerts judged by three incidents, one that works and one that never fires; likewise
demo demo-alert:
	@command -v cc >/dev/null || scripts/setup.sh build
	@$(MAKE) --no-print-directory build
	@exec scripts/demo.sh $(filter alert,$(subst -, ,$@))

.PHONY: test
test: ## everything that must hold: lints, tests, real receivers, budgets; installs what lacks
	@exec scripts/test.sh

.PHONY: bench
bench: ## measure the budgets (ten minutes); REFERENCE=1 the Python pipeline
	@exec scripts/bench.sh $(if $(REFERENCE),--reference)

.PHONY: chaos
chaos: ## 20,000 datapoints, 10,000 requests and 200 killed backfills through faults; CHAOS_SEED=N repeats a run
	@scripts/receivers.sh
	@CHAOS_TICKS=20000 TRUTH_REQUESTS=5000 RESUME_KILLS=200 \
		cargo test --locked --test it -- --nocapture chaos:: truth:: resume::a_backfill_that_is_killed

.PHONY: live-check
live-check: ## the main job at its real pace: five minutes into each receiver
	@scripts/receivers.sh
	@LIVE_CHECK_MINUTES=5 cargo test --locked --test it -- --nocapture --test-threads 3 live_check::

.PHONY: fmt
fmt: ## format the code
	@cargo fmt

.PHONY: lint
lint: ## formatting, clippy and shellcheck, warnings as errors
	@exec scripts/test.sh lint

.PHONY: dist
dist: ## make dist/: the static binary, man page, documents, licences, checksums; TARGET=aarch64-unknown-linux-musl for arm64
	@scripts/dist.sh $(if $(findstring command,$(origin TARGET)),$(call quoted,TARGET))

.PHONY: clean
clean: ## remove everything that was built or downloaded
	@cargo clean --quiet
	@rm -rf dist
