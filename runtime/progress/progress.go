// Package progress is what a person sees while a run is under way: bars with
// the time left on a terminal, one line per event where there is none; and what
// a program sees: a stream of events (stream.go). It only shows; nothing depends
// on it, and the journal stays the truth.
package progress

import (
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Mode says how progress is shown.
type Mode string

// The modes.
const (
	TTY   Mode = "tty"   // bars that move
	Plain Mode = "plain" // one line per event
	JSON  Mode = "json"  // the stream of events
	None  Mode = "none"  // nothing
)

// Progress shows a run on one writer. It is safe for concurrent use.
type Progress struct {
	mode   Mode
	out    io.Writer
	mu     sync.Mutex
	began  time.Time
	paced  time.Time // when training began, for the time left
	total  int       // epochs, of all trainings
	done   int
	first  int                    // epochs that earlier runs did
	eta    atomic.Pointer[string] // what left says, for the bars' goroutines
	now    func() time.Time
	bars   *mpb.Progress
	whole  *mpb.Bar
	single map[string]*mpb.Bar

	streaming sync.Mutex
	streams   []io.Writer // nil: failed
}

// New starts showing progress on out.
func New(mode Mode, out io.Writer) *Progress {
	return start(mode, out, time.Now)
}

// start is New with a clock.
func start(mode Mode, out io.Writer, now func() time.Time) *Progress {
	p := &Progress{mode: mode, out: out, began: now(), now: now, single: map[string]*mpb.Bar{}}
	p.eta.Store(new(string))
	if mode == TTY {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh(), mpb.WithWidth(40), mpb.WithRefreshRate(250*time.Millisecond))
	}
	if mode == JSON {
		p.Stream(out)
	}
	return p
}

// Note shows one line.
func (p *Progress) Note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(fmt.Sprintf(format, args...))
	p.Tell(Event{Type: Note, Text: fmt.Sprintf(format, args...)})
}

func (p *Progress) line(text string) {
	switch {
	case p.mode == None, p.mode == JSON:
	case p.bars != nil:
		fmt.Fprintln(p.bars, text)
	default:
		fmt.Fprintf(p.out, "%s  %s\n", clock(p.now().Sub(p.began)), text)
	}
}

// clock prints a duration as h:mm:ss.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// pause is how long a count waits between two lines.
const pause = 10 * time.Second

// Count shows the steps of something that is done before training, such as a
// download or preprocessing, in the given unit; total is negative where unknown.
func (p *Progress) Count(what, unit string) func(done, total int64) {
	var last time.Time
	return func(done, total int64) {
		p.mu.Lock()
		defer p.mu.Unlock()
		due := done == total || last.IsZero() || p.now().Sub(last) >= pause
		if due {
			last = p.now()
			p.Tell(Event{Type: Preparing, What: what, Done: &done, Total: &total, Unit: unit})
		}
		if p.bars != nil {
			b := p.single[what]
			if b == nil {
				b = p.bar(what, total)
			}
			b.SetTotal(max(total, done), false)
			b.SetCurrent(done)
			if done == total {
				p.drop(what)
			}
			return
		}
		if !due {
			return
		}
		if total < 0 {
			p.line(fmt.Sprintf("%s: %d %s", what, done, unit))
		} else {
			p.line(fmt.Sprintf("%s: %d of %d %s", what, done, total, unit))
		}
	}
}

func (p *Progress) bar(name string, total int64) *mpb.Bar {
	b := p.bars.AddBar(total,
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), decor.CountersNoUnit("%d / %d", decor.WCSyncWidth)),
		mpb.AppendDecorators(decor.Percentage()),
		mpb.BarRemoveOnComplete())
	p.single[name] = b
	return b
}

func (p *Progress) drop(name string) {
	if b := p.single[name]; b != nil {
		b.Abort(true)
		delete(p.single, name)
	}
}

// Epochs says how many epochs the whole run has, and how many are done already.
func (p *Progress) Epochs(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total, p.done, p.first, p.paced = total, done, done, p.now()
	if p.bars != nil {
		p.whole = p.bars.AddBar(int64(total), mpb.BarPriority(-1),
			mpb.PrependDecorators(decor.Name("epochs in all", decor.WCSyncSpaceR), decor.CountersNoUnit("%d / %d", decor.WCSyncWidth)),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return *p.eta.Load() })))
		p.whole.SetCurrent(int64(done))
	}
}

// left prints the time left, from the pace of this run.
func (p *Progress) left() string {
	n := p.done - p.first
	if n <= 0 || p.total <= p.done {
		return ""
	}
	return clock(time.Duration(float64(p.now().Sub(p.paced))/float64(n)*float64(p.total-p.done))) + " left"
}

// Start shows that a training has begun, at the given epoch.
func (p *Progress) Start(name string, epoch, epochs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bars != nil {
		p.bar(name, int64(epochs)).SetCurrent(int64(epoch))
		return
	}
	p.line(fmt.Sprintf("%s: training to epoch %d", name, epochs))
}

// Epoch shows that a training has finished an epoch (counted from 1), with its
// mean loss and the moving average of the pseudo-Dice.
func (p *Progress) Epoch(name string, epoch, epochs int, loss, dice float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	left := p.left()
	p.eta.Store(&left)
	if p.bars != nil {
		p.whole.SetCurrent(int64(p.done))
		if b := p.single[name]; b != nil {
			b.SetCurrent(int64(epoch))
		}
		return
	}
	if left != "" {
		left = ", " + left
	}
	p.line(fmt.Sprintf("%s: epoch %d of %d, loss %s, moving pseudo-Dice %s%s", name, epoch, epochs, Number(loss), Number(dice), left))
}

// Number prints what was measured, and a dash for what was not.
func Number(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.4f", v)
}

// End shows that a training has ended, with what came of it.
func (p *Progress) End(name, outcome string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bars != nil {
		p.drop(name)
	}
	p.line(fmt.Sprintf("%s: %s", name, outcome))
}

// Close stops showing.
func (p *Progress) Close() {
	if p.bars == nil {
		return
	}
	p.mu.Lock()
	for name := range p.single {
		p.drop(name)
	}
	if p.whole != nil {
		p.whole.Abort(false)
	}
	p.mu.Unlock()
	p.bars.Wait()
}
