package dataset

import (
	"context"
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"runspec/compiler/plan"
	"runspec/runtime/volume"
)

// smallPhantom is the size of task that the quickstart trains on.
func smallPhantom(cases, organs int) plan.Phantom {
	return plan.Phantom{Cases: cases, Shape: [3]int{20, 32, 32}, Spacing: [3]float64{2, 1, 1},
		Organs: organs, Noise: 0.25, Bias: 0.2, Seed: 7}
}

// band is what a threshold segmenter knows of an organ: its intensities.
type band struct{ low, high float32 }

// bestBand finds the band with the highest Dice over the given cases, among all
// pairs of limits that lie 4 apart.
func bestBand(images []*volume.Image, labels []*volume.Labels, organ int16) band {
	const bins, width = 256, 4
	var inside, all [bins + 1]float64
	for i, image := range images {
		for k, v := range image.Data {
			bin := min(int(v)/width, bins-1) + 1
			all[bin]++
			if labels[i].Data[k] == organ {
				inside[bin]++
			}
		}
	}
	for b := 1; b <= bins; b++ {
		all[b] += all[b-1]
		inside[b] += inside[b-1]
	}
	best, at := -1.0, band{}
	for low := range bins {
		for high := low + 1; high <= bins; high++ {
			dice := 2 * (inside[high] - inside[low]) / (inside[bins] + all[high] - all[low])
			if dice > best {
				best, at = dice, band{float32(low * width), float32(high * width)}
			}
		}
	}
	return at
}

func (b band) dice(image *volume.Image, labels *volume.Labels, organ int16) float64 {
	both, sum := 0.0, 0.0
	for k, v := range image.Data {
		in, is := v >= b.low && v < b.high, labels.Data[k] == organ
		if in {
			sum++
		}
		if is {
			sum++
		}
		if in && is {
			both++
		}
	}
	return 2 * both / sum
}

// A fixed threshold must not solve the phantoms, even the best one for each
// organ, each judged by itself (which flatters it), without noise and bias too.
func TestPhantomIsATask(t *testing.T) {
	for _, p := range []plan.Phantom{smallPhantom(12, 2), smallPhantom(12, 3),
		{Cases: 12, Shape: [3]int{20, 32, 32}, Spacing: [3]float64{2, 1, 1}, Organs: 2, Seed: 1},
		{Cases: 10, Shape: [3]int{16, 28, 28}, Spacing: [3]float64{2.5, 1, 1}, Organs: 2, Noise: 0.5, Bias: 0.3, Seed: 1}} { // the quickstart's
		var images []*volume.Image
		var labels []*volume.Labels
		share := make([]float64, p.Organs)
		for i := range p.Cases {
			image, label := phantomCase(p, i)
			images, labels = append(images, image), append(labels, label)
			for o := range share {
				n := 0
				for _, l := range label.Data {
					if int(l) == o+1 {
						n++
					}
				}
				share[o] += float64(n) / float64(len(label.Data)) / float64(p.Cases)
				if n < 100 {
					t.Errorf("case %d: organ %d has %d voxels", i, o+1, n)
				}
			}
		}
		train, sum := 8, 0.0
		for organ := range p.Organs {
			b := bestBand(images[:train], labels[:train], int16(organ+1))
			for i := train; i < p.Cases; i++ {
				sum += b.dice(images[i], labels[i], int16(organ+1))
			}
		}
		mean := sum / float64(p.Organs*(p.Cases-train))
		t.Logf("%d organs, noise %v: threshold Dice %.3f, organs' shares %.3f", p.Organs, p.Noise, mean, share)
		if mean >= 0.4 {
			t.Errorf("%d organs, noise %v: a threshold scores Dice %.3f; the task is none", p.Organs, p.Noise, mean)
		}
		if mean < 0.05 {
			t.Errorf("%d organs: a threshold scores Dice %.3f; the organs have no intensity of their own", p.Organs, mean)
		}
	}
}

// The organs touch, and each lies in one place.
func TestPhantomOrgansTouch(t *testing.T) {
	p := smallPhantom(4, 3)
	for i := range p.Cases {
		_, l := phantomCase(p, i)
		touching := map[[2]int16]bool{}
		for k := 0; k+1 < len(l.Data); k++ {
			if (k+1)%l.Shape[2] != 0 && l.Data[k] != l.Data[k+1] {
				touching[[2]int16{min(l.Data[k], l.Data[k+1]), max(l.Data[k], l.Data[k+1])}] = true
			}
			if below := k + l.Shape[2]; below < len(l.Data) && l.Data[k] != l.Data[below] {
				touching[[2]int16{min(l.Data[k], l.Data[below]), max(l.Data[k], l.Data[below])}] = true
			}
		}
		if !touching[[2]int16{1, 2}] && !touching[[2]int16{1, 3}] && !touching[[2]int16{2, 3}] {
			t.Errorf("case %d: no two organs touch", i)
		}
	}
}

func TestPhantomIsDeterministic(t *testing.T) {
	p := smallPhantom(5, 2)
	sum := func(threads int) (names []string, digest [32]byte) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
		dir := filepath.Join(t.TempDir(), "set")
		if err := WritePhantom(context.Background(), dir, p); err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			names = append(names, path[len(dir):])
			b, err := os.ReadFile(path)
			h.Write(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
			t.Errorf("temporary folders stay: %v", left)
		}
		return names, [32]byte(h.Sum(nil))
	}
	names, one := sum(1)
	again, two := sum(2)
	if len(names) != 11 || !slices.Equal(names, again) || one != two {
		t.Errorf("files differ with the number of threads: %v", names)
	}
	p.Seed++
	if _, other := sum(1); other == one {
		t.Error("another seed gives the same files")
	}
}

func TestPhantomOpens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	p := smallPhantom(3, 2)
	if err := WritePhantom(context.Background(), dir, p); err != nil {
		t.Fatal(err)
	}
	if err := WritePhantom(context.Background(), dir, p); err == nil {
		t.Error("an existing folder was overwritten")
	}
	raw, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw.Cases) != 3 || raw.Cases[2].ID != "phantom_003" || len(raw.Description.Labels) != 3 || raw.Description.NumTraining != 3 {
		t.Errorf("%+v", raw)
	}
}

func TestPhantomRefuses(t *testing.T) {
	for _, spoil := range []func(*plan.Phantom){
		func(p *plan.Phantom) { p.Cases = 0 },
		func(p *plan.Phantom) { p.Organs = 9 },
		func(p *plan.Phantom) { p.Shape[1] = 3 },
		func(p *plan.Phantom) { p.Spacing[0] = -1 },
		func(p *plan.Phantom) { p.Noise = -1 },
	} {
		p := smallPhantom(2, 2)
		spoil(&p)
		if err := WritePhantom(context.Background(), filepath.Join(t.TempDir(), "x"), p); err == nil {
			t.Errorf("%+v was accepted", p)
		}
	}
}

func TestPhantomCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	if err := WritePhantom(ctx, filepath.Join(dir, "x"), smallPhantom(2, 2)); err == nil {
		t.Error("no error after cancellation")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("files stay: %v", left)
	}
}
