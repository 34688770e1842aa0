package main

import (
	"context"
	"runtime"
	"testing"

	"runspec/compiler"
	"runspec/runtime/execute"

	run "runspec/runtime"
)

// TestQuickstartDefaultIsATask trains the quickstart's baseline and expects
// what its readers are told: nnU-Net's default learns the phantoms, and leaves
// room for a search. That a fixed threshold does not solve them is tested in
// runtime/dataset.
func TestQuickstartDefaultIsATask(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some twenty seconds")
	}
	o := run.Options{RunDir: t.TempDir(), CacheDir: t.TempDir(), Threads: runtime.NumCPU(), Train: execute.Do}
	p, err := compiler.Compile("experiments/quickstart.cue", compiler.Options{
		Sources: compiler.Sources{Data: run.Sources(context.Background(), o, false)},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Studies = nil
	outcome, err := run.Run(context.Background(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	table := outcome.Report.Tables[0]
	if table.Rows[0].ID != "nnunet/Conv" {
		t.Fatalf("the first row is %s", table.Rows[0].ID)
	}
	for i, c := range table.Columns {
		if c.ID != "dice" {
			continue
		}
		dice := table.Rows[0].Cells[i].Value
		if dice == nil || *dice < 0.6 || *dice > 0.95 {
			t.Errorf("the default's Dice is %s, not between 0.6 and 0.95", table.Rows[0].Cells[i].Text)
		}
		t.Logf("the default's Dice is %s", table.Rows[0].Cells[i].Text)
		return
	}
	t.Error("the table has no column of Dice")
}
