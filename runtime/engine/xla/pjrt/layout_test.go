package pjrt

import (
	"bufio"
	_ "embed"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

var update = flag.Bool("update", false, "write testdata/meaning.txt")

// layout is what a C compiler makes of the header; testdata/layout.py writes it.
//
//go:embed testdata/layout.txt
var layout string

// place is where a C struct has a field.
type place struct {
	name         string
	offset, size uintptr
}

// header reads layout: the fields of each struct.
func header(t *testing.T) map[string][]place {
	t.Helper()
	structs := map[string][]place{}
	name := ""
	for lines := bufio.NewScanner(strings.NewReader(layout)); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, "\t") {
			name, _, _ = strings.Cut(line, " ")
			continue
		}
		var p place
		if _, err := fmt.Sscan(line, &p.name, &p.offset, &p.size); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		structs[name] = append(structs[name], p)
	}
	if len(structs) < 100 {
		t.Fatalf("only %d structs were read", len(structs))
	}
	return structs
}

// counterparts are our structs and those of the header that they stand for.
var counterparts = map[string]any{
	"PJRT_Error_Destroy_Args":                     arguments[handle]{},
	"PJRT_Error_Message_Args":                     arguments[getBytes]{},
	"PJRT_Error_GetCode_Args":                     arguments[getInt]{},
	"PJRT_Event_Destroy_Args":                     arguments[handle]{},
	"PJRT_Event_Await_Args":                       arguments[handle]{},
	"PJRT_NamedValue":                             namedValue{},
	"PJRT_Client_Create_Args":                     arguments[createClient]{},
	"PJRT_Client_Destroy_Args":                    arguments[handle]{},
	"PJRT_Client_PlatformName_Args":               arguments[getBytes]{},
	"PJRT_Client_PlatformVersion_Args":            arguments[getBytes]{},
	"PJRT_Client_AddressableDevices_Args":         arguments[getBytes]{},
	"PJRT_Program":                                arguments[program]{},
	"PJRT_Client_Compile_Args":                    arguments[compile]{},
	"PJRT_Client_BufferFromHostBuffer_Args":       arguments[fromHost]{},
	"PJRT_DeviceDescription_Attributes_Args":      arguments[getList]{},
	"PJRT_DeviceDescription_Kind_Args":            arguments[getBytes]{},
	"PJRT_Device_GetDescription_Args":             arguments[getPointer]{},
	"PJRT_Device_MemoryStats_Args":                arguments[memoryStats]{},
	"PJRT_Executable_Destroy_Args":                arguments[handle]{},
	"PJRT_Executable_NumOutputs_Args":             arguments[getPointer]{},
	"PJRT_Executable_Serialize_Args":              arguments[serialize]{},
	"PJRT_LoadedExecutable_Destroy_Args":          arguments[handle]{},
	"PJRT_LoadedExecutable_GetExecutable_Args":    arguments[getPointer]{},
	"PJRT_ExecuteOptions":                         arguments[executeOptions]{},
	"PJRT_LoadedExecutable_Execute_Args":          arguments[execute]{},
	"PJRT_Executable_DeserializeAndLoad_Args":     arguments[deserialize]{},
	"PJRT_Buffer_Destroy_Args":                    arguments[handle]{},
	"PJRT_Buffer_MemoryLayout":                    memoryLayout{},
	"PJRT_Buffer_MemoryLayout_Tiled":              memoryLayout{}.tiled,
	"PJRT_Buffer_ToHostBuffer_Args":               arguments[toHost]{},
	"PJRT_Executable_OptimizedProgram_Args":       arguments[optimized]{},
	"PJRT_Executable_GetCompiledMemoryStats_Args": arguments[compiledMemory]{},
	"PJRT_TopologyDescription_Create_Args":        arguments[createTopology]{},
	"PJRT_TopologyDescription_Destroy_Args":       arguments[handle]{},
	"PJRT_Compile_Args":                           arguments[compileFor]{},
}

// TestLayout holds every field of our structs to the place of the header's.
func TestLayout(t *testing.T) {
	structs := header(t)
	for name, ours := range counterparts {
		theirs := structs[name]
		if theirs == nil {
			t.Errorf("the header has no %s", name)
			continue
		}
		for _, f := range leaves(reflect.TypeOf(ours), 0, "") {
			if !within(f, theirs) {
				t.Errorf("%s: our %s, %d bytes at %d, is no field there: %v", name, f.name, f.size, f.offset, theirs)
			}
		}
	}
}

// leaves are the fields of a struct that are none themselves, the tail of zeros
// aside.
func leaves(s reflect.Type, base uintptr, path string) (out []place) {
	switch {
	case s.Kind() == reflect.Struct:
		for i := range s.NumField() {
			if f := s.Field(i); f.Name != "_" {
				out = append(out, leaves(f.Type, base+f.Offset, path+"."+f.Name)...)
			}
		}
	case s.Kind() == reflect.Array:
		for i := range s.Len() {
			out = append(out, leaves(s.Elem(), base+uintptr(i)*s.Elem().Size(), fmt.Sprintf("%s[%d]", path, i))...)
		}
	default:
		out = append(out, place{path, base, s.Size()})
	}
	return out
}

// within says whether a field is one of theirs, or lies in a struct among them,
// which is compared by itself. What lies beyond their end is zero, and passed over
// by plug-ins.
func within(f place, theirs []place) bool {
	const word = 8
	end := theirs[len(theirs)-1]
	if f.offset >= end.offset+end.size {
		return true
	}
	for _, p := range theirs {
		if p.offset == f.offset && p.size == f.size || p.size > word && p.offset <= f.offset && f.offset+f.size <= p.offset+p.size {
			return true
		}
	}
	return false
}

// TestMeaning shows which of the header's fields each of ours is: two of one size
// may change places without another test's notice.
func TestMeaning(t *testing.T) {
	structs := header(t)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(counterparts)) {
		fmt.Fprintf(&b, "%s:", name)
		for _, f := range leaves(reflect.TypeOf(counterparts[name]), 0, "") {
			i := slices.IndexFunc(structs[name], func(p place) bool { return p.offset == f.offset })
			if i >= 0 && f.offset >= unsafe.Sizeof(head{}) {
				fmt.Fprintf(&b, " %s=%s", strings.TrimPrefix(strings.TrimPrefix(f.name, ".fields"), "."), structs[name][i].name)
			}
		}
		b.WriteString("\n")
	}
	const path = "testdata/meaning.txt"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || b.String() != string(want) {
		t.Errorf("%v: ours=theirs is now\n%s", err, b.String())
	}
}

// TestFunctions holds the numbers of the functions to the header's table.
func TestFunctions(t *testing.T) {
	table := map[string]uintptr{}
	for _, p := range header(t)["PJRT_Api"] {
		table[p.name] = p.offset
	}
	for f, name := range names {
		offset, ok := table["PJRT_"+name]
		if want := uintptr(tableOffset) + uintptr(f)*unsafe.Sizeof(uintptr(0)); !ok || offset != want {
			t.Errorf("%s stands at %d in the header, at %d with us", name, offset, want)
		}
	}
	if len(names) < 25 {
		t.Errorf("only %d functions have names", len(names))
	}
}
