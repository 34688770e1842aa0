package compiler

import "runspec/compiler/plan"

func requires(n node) plan.Requires {
	var r plan.Requires
	r.Accelerator, _ = n.field("accelerator").text()
	r.Data, _ = n.field("data").truth()
	return r
}
