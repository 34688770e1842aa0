package accelerator

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// GPUs counts the NVIDIA GPUs that the kernel shows, whether or not a plug-in
// can use them.
func GPUs() int {
	found, _ := filepath.Glob("/dev/nvidia[0-9]*") // the pattern is good
	return len(found)
}

// Driver is the version of NVIDIA's kernel driver, "580.65.06"; "": there is none.
func Driver() string {
	text, err := os.ReadFile("/proc/driver/nvidia/version")
	if err != nil {
		return ""
	}
	return driverVersion(string(text))
}

var versionNumber = regexp.MustCompile(`\b(\d{3})\.\d+(?:\.\d+)?\b`)

func driverVersion(text string) string { return versionNumber.FindString(text) }

// cuda13Driver is the first driver that runs CUDA 13; CUDA 12 wants 525.
const cuda13Driver = 580

// Install says what brings a plug-in that fits this machine's driver.
func Install() string {
	const how = "install it with `python3 -m pip install \"%s\"`, or name a plug-in's file by RUNSPEC_PJRT"
	wheel := "jax-cuda13-plugin[with-cuda]"
	if m := versionNumber.FindStringSubmatch(Driver()); m != nil {
		if major, err := strconv.Atoi(m[1]); err == nil && major < cuda13Driver {
			wheel = "jax-cuda12-plugin[with-cuda]"
		}
	}
	return "the wheel of CUDA's plug-in brings one: " + fmt.Sprintf(how, wheel)
}

// missing says that a GPU lies idle for want of a plug-in, or "" where there is
// none.
func missing() string {
	if GPUs() == 0 {
		return ""
	}
	return "there is a GPU, but " + ErrNoPlugin.Error() + ": " + Install()
}
