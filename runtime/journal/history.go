package journal

import "runspec/runtime/search"

// History gives the observations of one study on one data set: what its search
// method is told. A trial that started and did not end is not among them, so it
// is proposed again.
func History(events []Event, dataset, study string) []search.Observation {
	var out []search.Observation
	for _, e := range events {
		if e.Dataset != dataset || e.Study != study || e.Study == "" {
			continue
		}
		switch e.Kind {
		case Result:
			out = append(out, observation(e))
		case Failure:
			out = append(out, search.Observation{Trial: e.Trial, Failed: true, Cause: e.Cause})
		}
	}
	return out
}

func observation(e Event) search.Observation {
	o := search.Observation{Trial: e.Trial}
	if e.Result == nil {
		o.Failed, o.Cause = true, "the journal has no result for it"
		return o
	}
	o.TieBreak = float64(e.Result.TieBreak)
	for _, v := range e.Result.Objectives {
		o.Objectives = append(o.Objectives, float64(v))
	}
	return o
}
