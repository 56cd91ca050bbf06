// Makes tests/data/tables.json: what upstream's helpers say of conditions, arguments, metrics, phases and steps.
//
// Copy the folder `gen` to cmd/gen in a checkout of argoproj/argo-rollouts, then
// go run ./cmd/gen/tables cmd/gen/tables/cases.yaml > tables.json
package main

import (
	"github.com/argoproj/argo-rollouts/cmd/gen/vectors"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/analysis"
	"github.com/argoproj/argo-rollouts/utils/conditions"
	"github.com/argoproj/argo-rollouts/utils/evaluate"
	"github.com/argoproj/argo-rollouts/utils/rollout"
	"github.com/sirupsen/logrus"
)

type table struct {
	Evaluate []struct {
		Result  any    `json:"result"`
		Success string `json:"success"`
		Failure string `json:"failure"`
	} `json:"evaluate"`
	Resolve []struct {
		Metric any `json:"metric"`
		Args   any `json:"args"`
	} `json:"resolve"`
	Validate [][]any `json:"validate"`
	Phase    []struct {
		Spec   any `json:"spec"`
		Status any `json:"status"`
	} `json:"phase"`
	Steps []any `json:"steps"`
}

type vector map[string]any

func (v vector) with(err error) vector {
	if err != nil {
		v["error"] = err.Error()
	}
	return v
}

func main() {
	logrus.SetLevel(logrus.PanicLevel)
	cases := vectors.Cases[table]()
	made := []vector{}
	for _, c := range cases.Evaluate {
		metric := v1alpha1.Metric{SuccessCondition: c.Success, FailureCondition: c.Failure}
		phase, err := evaluate.EvaluateResult(c.Result, metric, *logrus.NewEntry(logrus.New()))
		made = append(made, vector{"table": "evaluate", "result": c.Result, "success": c.Success, "failure": c.Failure, "phase": phase}.with(err))
	}
	for _, c := range cases.Resolve {
		var metric v1alpha1.Metric
		var args []v1alpha1.Argument
		vectors.CopyOf(c.Metric, &metric)
		vectors.CopyOf(c.Args, &args)
		resolved, err := analysis.ResolveMetricArgs(metric, args)
		v := vector{"table": "resolve", "metric": c.Metric, "args": c.Args}.with(err)
		if err == nil {
			v["resolved"] = resolved
		}
		made = append(made, v)
	}
	for _, c := range cases.Validate {
		var metrics []v1alpha1.Metric
		vectors.CopyOf(c, &metrics)
		made = append(made, vector{"table": "validate", "metrics": c}.with(analysis.ValidateMetrics(metrics)))
	}
	for _, c := range cases.Phase {
		var spec v1alpha1.RolloutSpec
		var status v1alpha1.RolloutStatus
		vectors.CopyOf(c.Spec, &spec)
		vectors.CopyOf(c.Status, &status)
		phase, message := rollout.CalculateRolloutPhase(spec, status)
		made = append(made, vector{"table": "phase", "spec": c.Spec, "status": c.Status, "phase": phase, "message": message})
	}
	for _, c := range cases.Steps {
		var canary v1alpha1.CanaryStrategy
		vectors.CopyOf(map[string]any{"steps": c}, &canary)
		ro := v1alpha1.Rollout{Spec: v1alpha1.RolloutSpec{Strategy: v1alpha1.RolloutStrategy{Canary: &canary}}}
		texts := []string{}
		for _, step := range canary.Steps {
			texts = append(texts, rollout.CanaryStepString(step))
		}
		made = append(made, vector{"table": "steps", "steps": c, "hash": conditions.ComputeStepHash(&ro), "texts": texts})
	}
	vectors.Print(made)
}
