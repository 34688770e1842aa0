// Command gpu measures training, prediction and search on a GPU against nnU-Net
// on the same GPU, on a machine that may have no network: everything that it
// needs besides PyTorch and the XLA plug-in lies in one folder, which the script
// pack fills.
//
//	gpu [flags] check|step|epoch|predict|train|search ...
//	gpu [flags] report
//
// Each part keeps every figure as soon as it has it in WORK/gpu.json, and passes
// over those that are there; report writes them as a table. All parts together
// begin no figure after -minutes, and say what is left for another call. Where
// Python or a GPU is wanting the figures that need them are told as missing;
// -small takes toy sizes, to rehearse.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"runspec/runtime/accelerator"
	"runspec/runtime/execute"
)

// bench is one invocation.
type bench struct {
	pack   string // folder with plans, data and Python packages
	work   string // folder of figures, caches and trainings
	python string // "": no comparison
	small  bool
	device accelerator.Device
	*figures
}

// part is a group of figures that are measured together.
type part struct {
	name, what string
	run        func(*bench, context.Context) error
}

// parts are in the order of their value.
func parts() []part {
	return []part{
		{"check", "the losses of small networks, against the processor's", (*bench).checks},
		{"step", "a training step", (*bench).steps},
		{"epoch", "an epoch with its input pipeline", (*bench).epochs},
		{"predict", "prediction of a fold's cases", (*bench).predictions},
		{"train", "nnU-Net's default on Task04, fold 0", (*bench).trainings},
		{"search", "a small search on Task04", (*bench).searches},
	}
}

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "gpu:", err)
		os.Exit(1)
	}
}

func start() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends this process at once
	if len(os.Args) == 3 {       // the other ends of accelerator.Ask and execute.Local
		switch os.Args[1] {
		case "devices":
			list, err := accelerator.List(os.Args[2])
			if err != nil {
				return err
			}
			return accelerator.Write(os.Stdout, list)
		case "worker":
			return execute.Work(ctx, os.Args[2], os.Stdout)
		}
	}
	b := bench{}
	out, minutes := b.flags()
	if flag.NArg() == 0 {
		flag.Usage()
		return errors.New("name a part: check, step, epoch, predict, train, search, or report")
	}
	if err := os.MkdirAll(b.work, 0o755); err != nil {
		return err
	}
	if flag.NArg() == 3 && flag.Arg(0) == "figure" { // the other end of ours
		stop() // a signal ends it at once: it has nothing to keep
		return b.figure(context.Background(), flag.Arg(1), flag.Arg(2))
	}
	var err error
	if b.figures, err = openFigures(filepath.Join(b.work, "gpu.json")); err != nil {
		return err
	}
	if flag.Arg(0) == "report" {
		return b.report(out)
	}
	if minutes > 0 {
		b.until = time.Now().Add(time.Duration(minutes * float64(time.Minute)))
	}
	if err := b.find(ctx); err != nil {
		return err
	}
	return b.measure(ctx, flag.Args())
}

// flags reads the command line.
func (b *bench) flags() (out string, minutes float64) {
	flag.StringVar(&b.pack, "pack", ".", "folder that the script pack has filled")
	flag.StringVar(&b.work, "work", "work", "folder of figures, caches and trainings")
	flag.StringVar(&b.python, "python", "python3", "Python with PyTorch; \"\" measures ours alone")
	flag.BoolVar(&b.small, "small", false, "toy sizes, to rehearse")
	flag.StringVar(&out, "out", "", "report: the file to write (default the standard output)")
	flag.Float64Var(&minutes, "minutes", 8, "after which no figure is begun; one that is under way is not cut; 0: no limit")
	flag.Parse()
	return out, minutes
}

// find takes the first device of the plug-in that is installed.
func (b *bench) find(ctx context.Context) error {
	p, err := accelerator.Find()
	if err != nil {
		return fmt.Errorf("%w; %s", err, accelerator.Install())
	}
	library, err := installed(p)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	list, err := p.Devices(func(path string) ([]accelerator.Device, error) {
		return accelerator.Ask(ctx, []string{self, "devices"}, path)
	})
	if err != nil {
		return err
	}
	b.device = list[0]
	return b.about(setting{Device: b.device, Plugin: library, Driver: accelerator.Driver(), Small: b.small})
}

// measure runs the named parts. One that fails does not keep the others from
// being tried.
func (b *bench) measure(ctx context.Context, names []string) error {
	var errs []error
	for _, name := range names {
		found := false
		for _, p := range parts() {
			if p.name != name {
				continue
			}
			found = true
			fmt.Fprintf(os.Stderr, "gpu %s: %s on %s\n", p.name, p.what, b.device)
			if err := p.run(b, ctx); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
			}
		}
		if !found {
			errs = append(errs, fmt.Errorf("there is no part %q", name))
		}
	}
	if len(b.left) > 0 {
		fmt.Fprintf(os.Stderr, "gpu: left for another call: %s\n", strings.Join(b.left, ", "))
	}
	if ctx.Err() != nil { // what was cut short may have been nnU-Net's, which fails no part
		errs = append(errs, errors.New("stopped; the same command goes on"))
	}
	return errors.Join(errs...)
}
