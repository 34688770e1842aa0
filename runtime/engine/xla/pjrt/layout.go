package pjrt

import "unsafe"

// function is a place in PJRT_Api's table of functions. The C API only appends
// to the table, so a place keeps its meaning in every later plug-in.
type function int

// The functions that this package calls, in the header's numbering.
const (
	errorDestroy             function = 0
	errorMessage             function = 1
	errorGetCode             function = 2
	pluginInitialize         function = 3
	eventDestroy             function = 5
	eventAwait               function = 8
	clientCreate             function = 10
	clientDestroy            function = 11
	clientPlatformName       function = 12
	clientPlatformVersion    function = 14
	clientAddressableDevices function = 16
	clientCompile            function = 20
	clientBufferFromHost     function = 22
	descriptionAttributes    function = 25
	descriptionKind          function = 26
	deviceGetDescription     function = 29
	deviceMemoryStats        function = 34
	executableDestroy        function = 40
	executableNumOutputs     function = 44
	executableOptimized      function = 48
	executableSerialize      function = 49
	loadedDestroy            function = 50
	loadedGetExecutable      function = 51
	loadedExecute            function = 55
	deserializeAndLoad       function = 56
	bufferDestroy            function = 58
	bufferToHost             function = 70
	topologyCreate           function = 82
	topologyDestroy          function = 83
	compileAhead             function = 89
	executableMemory         function = 96
)

// last is the highest place that this package calls.
const last = executableMemory

// names are the functions' names in the header, which the layout test compares.
var names = map[function]string{
	errorDestroy: "Error_Destroy", errorMessage: "Error_Message", errorGetCode: "Error_GetCode",
	pluginInitialize: "Plugin_Initialize", eventDestroy: "Event_Destroy", eventAwait: "Event_Await",
	clientCreate: "Client_Create", clientDestroy: "Client_Destroy",
	clientPlatformName: "Client_PlatformName", clientPlatformVersion: "Client_PlatformVersion",
	clientAddressableDevices: "Client_AddressableDevices", clientCompile: "Client_Compile",
	clientBufferFromHost: "Client_BufferFromHostBuffer", descriptionKind: "DeviceDescription_Kind",
	descriptionAttributes: "DeviceDescription_Attributes",
	deviceGetDescription:  "Device_GetDescription", deviceMemoryStats: "Device_MemoryStats",
	executableDestroy: "Executable_Destroy", executableNumOutputs: "Executable_NumOutputs",
	executableSerialize: "Executable_Serialize", loadedDestroy: "LoadedExecutable_Destroy",
	loadedGetExecutable: "LoadedExecutable_GetExecutable", loadedExecute: "LoadedExecutable_Execute",
	deserializeAndLoad: "Executable_DeserializeAndLoad", bufferDestroy: "Buffer_Destroy",
	bufferToHost: "Buffer_ToHostBuffer", executableOptimized: "Executable_OptimizedProgram",
	topologyCreate: "TopologyDescription_Create", topologyDestroy: "TopologyDescription_Destroy",
	compileAhead: "Compile", executableMemory: "Executable_GetCompiledMemoryStats",
}

// tableOffset is where the table begins in PJRT_Api: behind struct_size, the
// extensions and the version.
const tableOffset = 40

// Every function takes one struct: a head, its own fields, and here a tail of
// zeros that is counted in its size, since a plug-in refuses a struct shorter
// than its own header's and passes over what is longer. Addresses in C's memory
// are uintptr, which the garbage collector leaves alone; addresses in Go's are
// unsafe.Pointer, which it must see.
type (
	head struct{ size, extension uintptr }

	arguments[T any] struct {
		head
		fields T
		_      [8]uintptr
	}

	handle struct{ object uintptr } // destroy, await

	getPointer struct{ object, out uintptr }

	getBytes struct{ object, data, length uintptr }

	getList struct{ object, count, data uintptr }

	getInt struct {
		object uintptr
		out    int32
	}

	namedValue struct {
		head
		name       uintptr
		nameLength uintptr
		kind       int32
		value      uintptr // the union: a number's bits, or an address
		length     uintptr
	}

	createClient struct {
		options            unsafe.Pointer
		count              uintptr
		get, getArgument   uintptr
		put, putArgument   uintptr
		client             uintptr
		tryGet, tryGetArgs uintptr
	}

	program struct {
		code         unsafe.Pointer
		codeLength   uintptr
		format       unsafe.Pointer
		formatLength uintptr
	}

	compile struct {
		client        uintptr
		program       *arguments[program]
		options       unsafe.Pointer
		optionsLength uintptr
		executable    uintptr
	}

	createTopology struct {
		name       unsafe.Pointer
		nameLength uintptr
		options    unsafe.Pointer
		count      uintptr
		topology   uintptr
	}

	compileFor struct {
		topology      uintptr
		program       *arguments[program]
		options       unsafe.Pointer
		optionsLength uintptr
		client        uintptr
		executable    uintptr
	}

	compiledMemory struct {
		executable                               uintptr
		code, arguments, outputs, aliased, temps int64
	}

	optimized struct {
		executable uintptr
		program    *arguments[program]
	}

	fromHost struct {
		client     uintptr
		data       unsafe.Pointer
		kind       int32
		dims       unsafe.Pointer
		rank       uintptr
		strides    unsafe.Pointer
		strideRank uintptr
		semantics  int32
		device     uintptr
		memory     uintptr
		layout     uintptr
		done       uintptr
		buffer     uintptr
	}

	toHost struct {
		source uintptr
		layout unsafe.Pointer
		target unsafe.Pointer
		length uintptr
		event  uintptr
	}

	memoryLayout struct { // PJRT_Buffer_MemoryLayout, tiled
		head
		tiled struct {
			head
			minorToMajor unsafe.Pointer
			rank         uintptr
			tileDims     unsafe.Pointer
			tileSizes    unsafe.Pointer
			tiles        uintptr
		}
		kind int32
	}

	memoryStats struct {
		device uintptr
		inUse  int64
		more   [10]struct {
			value int64
			known bool
		}
	}

	executeOptions struct {
		send, receive           uintptr
		sends, receives         uintptr
		launch                  int32
		nonDonatable            unsafe.Pointer
		nonDonatableCount       uintptr
		context, location       uintptr
		tasks, taskIDs, records uintptr
		slices                  uintptr
	}

	execute struct {
		executable uintptr
		options    *arguments[executeOptions]
		inputs     unsafe.Pointer // list of lists of buffers, one per device
		devices    uintptr
		inputCount uintptr
		outputs    unsafe.Pointer
		events     unsafe.Pointer
		device     uintptr
	}

	serialize struct{ executable, data, length, owner, deleter uintptr }

	deserialize struct {
		client        uintptr
		data          unsafe.Pointer
		length        uintptr
		executable    uintptr
		options       unsafe.Pointer
		optionsLength uintptr
	}
)
