package main

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/rand"
	"os"
	"slices"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/open-policy-agent/opa-envoy-plugin/envoyauth"
	"github.com/open-policy-agent/opa/v1/logging"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A gRPC request, and what the plugin says of it.
type Call struct {
	Path   string          `json:"path"`
	Body   string          `json:"body"`
	Error  bool            `json:"error,omitempty"`
	Cut    bool            `json:"cut,omitempty"`
	Parsed json.RawMessage `json:"parsed,omitempty"`
}

const do = "/t.v1.Tests/Do"

// descriptorSet is the set of proto/set.txtpb with the messages of google.protobuf.
func descriptorSet() ([]byte, *protoregistry.Files, error) {
	text, err := os.ReadFile("proto/set.txtpb")
	if err != nil {
		return nil, nil, err
	}
	var set descriptorpb.FileDescriptorSet
	if err := prototext.Unmarshal(text, &set); err != nil {
		return nil, nil, err
	}
	for _, file := range []protoreflect.FileDescriptor{
		anypb.File_google_protobuf_any_proto, durationpb.File_google_protobuf_duration_proto,
		emptypb.File_google_protobuf_empty_proto, fieldmaskpb.File_google_protobuf_field_mask_proto,
		structpb.File_google_protobuf_struct_proto, timestamppb.File_google_protobuf_timestamp_proto,
		wrapperspb.File_google_protobuf_wrappers_proto,
	} {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, nil, err
	}
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(&set)
	return bytes, files, err
}

func framed(flags byte, message []byte) []byte {
	head := binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message)))
	return append(head, message...)
}

func (c *Call) ask(files *protoregistry.Files, raw []byte) (err error) {
	// The decoder panics where a map's key is followed by one of another wire type.
	defer func() {
		if recover() != nil {
			c.Error, err = true, nil
		}
	}()
	c.Body = hex.EncodeToString(raw)
	request := &auth.CheckRequest{Attributes: &auth.AttributeContext{
		MetadataContext: &core.Metadata{},
		Request: &auth.AttributeContext_Request{Http: &auth.AttributeContext_HttpRequest{
			Path: c.Path, Headers: map[string]string{"content-type": "application/grpc+proto"}, RawBody: raw,
		}},
	}}
	input, err := envoyauth.RequestToInput(request, logging.NewNoOpLogger(), files, false)
	if err != nil {
		c.Error = true
		return nil
	}
	c.Cut = input["truncated_body"] == true
	c.Parsed, err = json.Marshal(input["parsed_body"])
	return err
}

// grpcCalls are hand-picked and random calls.
func grpcCalls(files *protoregistry.Files, seed int64, count int) ([]*Call, error) {
	var calls []*Call
	add := func(path string, raw []byte) error {
		call := &Call{Path: path}
		calls = append(calls, call)
		return call.ask(files, raw)
	}
	good := protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), 7)
	for _, path := range []string{do, "/t.v1.Tests/Upload", "/t.v1.Tests/None", "/t.v1.None/Do", "/t.v1.All/Do", "/x", "/", "", "/a/b/c", "//t.v1.Tests/Do", "/t.v1.Tests/Do?x", "/t.v1.Tests%2FDo", "/t.v1.Tests/Do/"} {
		if err := add(path, framed(0, good)); err != nil {
			return nil, err
		}
	}
	cut := framed(0, good)
	for _, raw := range [][]byte{{}, {0}, {0, 0, 0, 0}, {0, 0, 0, 0, 0}, cut[:len(cut)-1], append(slices.Clone(cut), 1, 2), framed(1, good), framed(2, good), {0, 255, 255, 255, 255}, {0, 127, 255, 255, 255, 1}} {
		if err := add(do, raw); err != nil {
			return nil, err
		}
	}
	descriptor, err := files.FindDescriptorByName("t.v1.All")
	if err != nil {
		return nil, err
	}
	all := descriptor.(protoreflect.MessageDescriptor)
	for _, text := range messages {
		message := dynamicpb.NewMessage(all)
		if err := protojson.Unmarshal([]byte(text), message); err != nil {
			return nil, err
		}
		bytes, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(message)
		if err != nil {
			return nil, err
		}
		if err := add(do, framed(0, bytes)); err != nil {
			return nil, err
		}
	}
	from := rand.New(rand.NewSource(seed))
	old, err := files.FindDescriptorByName("t.old.Old")
	if err != nil {
		return nil, err
	}
	for range count {
		path, descriptor := do, all
		switch from.Intn(8) {
		case 0:
			path, descriptor = "/t.v1.Tests/Watch", old.(protoreflect.MessageDescriptor)
		case 1:
			path, descriptor = "/t.v1.Tests/At", (&timestamppb.Timestamp{}).ProtoReflect().Descriptor()
		}
		raw := framed(0, randomMessage(from, descriptor, 3))
		if from.Intn(20) == 0 && len(raw) > 5 {
			raw[5+from.Intn(len(raw)-5)] = byte(from.Intn(256))
		}
		if err := add(path, raw); err != nil {
			return nil, err
		}
	}
	return calls, nil
}

func number(from *rand.Rand) uint64 {
	switch from.Intn(6) {
	case 0:
		return 0
	case 1:
		return uint64(from.Intn(4))
	case 2:
		return from.Uint64()
	case 3:
		return uint64(from.Uint32())
	case 4:
		return uint64(from.Intn(2_000_000_000))
	default:
		return -uint64(from.Intn(5))
	}
}

// randomMessage has fields of its type, most of them on the wire as they should be.
func randomMessage(from *rand.Rand, descriptor protoreflect.MessageDescriptor, depth int) []byte {
	var out []byte
	fields := descriptor.Fields()
	for range from.Intn(4) {
		if fields.Len() == 0 || from.Intn(25) == 0 {
			out = protowire.AppendTag(out, protowire.Number(from.Intn(60)+1), protowire.VarintType)
			out = protowire.AppendVarint(out, number(from))
			continue
		}
		field := fields.Get(from.Intn(fields.Len()))
		if from.Intn(30) == 0 {
			out = protowire.AppendTag(out, field.Number(), protowire.BytesType)
			out = protowire.AppendBytes(out, []byte{byte(from.Intn(256)), 1})
			continue
		}
		out = appendField(from, out, field, depth)
	}
	return out
}

func appendField(from *rand.Rand, out []byte, field protoreflect.FieldDescriptor, depth int) []byte {
	double := func() uint64 {
		numbers := []float64{0, math.Copysign(0, -1), 1, 1.5, -0.1, 1e21, 1e20, 1e-7, 123456.789, math.Inf(1), math.NaN(), math.MaxFloat64, 5e-324, 1e6}
		return math.Float64bits(numbers[from.Intn(len(numbers))])
	}
	float := func() uint32 {
		numbers := []float32{0, 1, 0.1, -3.25, 16777216, 3.4e38, 1e-10, float32(math.Inf(-1)), 1e21}
		return math.Float32bits(numbers[from.Intn(len(numbers))])
	}
	one := func(out []byte) []byte {
		switch field.Kind() {
		case protoreflect.DoubleKind:
			return protowire.AppendFixed64(out, double())
		case protoreflect.FloatKind:
			return protowire.AppendFixed32(out, float())
		case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
			return protowire.AppendFixed64(out, number(from))
		case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
			return protowire.AppendFixed32(out, uint32(number(from)))
		default:
			return protowire.AppendVarint(out, number(from))
		}
	}
	wire := protowire.VarintType
	switch field.Kind() {
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		wire = protowire.Fixed64Type
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		wire = protowire.Fixed32Type
	case protoreflect.StringKind, protoreflect.BytesKind:
		texts := []string{"", "a", "é", "a_b", "aB", "a.b_c", "\xff", "a_", "日本", "a__b", "_a", "a1"}
		out = protowire.AppendTag(out, field.Number(), protowire.BytesType)
		return protowire.AppendString(out, texts[from.Intn(len(texts))])
	case protoreflect.MessageKind:
		var bytes []byte
		if depth > 0 {
			bytes = randomMessage(from, field.Message(), depth-1)
		}
		out = protowire.AppendTag(out, field.Number(), protowire.BytesType)
		return protowire.AppendBytes(out, bytes)
	}
	if field.IsList() && from.Intn(2) == 0 {
		var packed []byte
		for range from.Intn(4) {
			packed = one(packed)
		}
		out = protowire.AppendTag(out, field.Number(), protowire.BytesType)
		return protowire.AppendBytes(out, packed)
	}
	return one(protowire.AppendTag(out, field.Number(), wire))
}

var messages = []string{
	`{}`,
	`{"aDouble":1.5,"aFloat":0.1,"anInt32":-7,"anInt64":"-9007199254740993","aUint32":4294967295,"aUint64":"18446744073709551615","aSint32":-1,"aSint64":"-2","aFixed32":3,"aFixed64":"4","anSfixed32":-5,"anSfixed64":"-6","aBool":true,"aString":"é","someBytes":"AP8=","color":"RED"}`,
	`{"aDouble":"NaN","aFloat":"Infinity","color":-2}`, `{"color":7,"colors":["NONE","ROT",9]}`, `{"optInt32":0,"optString":""}`,
	`{"sub":{"id":1,"sub":{"sub":{"names":["a","b"]}}},"subs":[{},{"id":2}]}`, `{"ofText":""}`, `{"ofNumber":0}`, `{"ofSub":{}}`,
	`{"byName":{"a":"1","":"0","b":"-3"},"byFlag":{"true":{"id":1},"false":{}},"byId":{"0":"NONE","-5":"RED"}}`, `{"@other":"x"}`,
	`{"time":"2026-01-02T03:04:05Z"}`, `{"time":"2024-02-29T23:59:59.100Z"}`, `{"time":"1969-12-31T23:59:59.999999999Z"}`, `{"time":"0001-01-01T00:00:00Z"}`,
	`{"time":"9999-12-31T23:59:59.000001Z"}`, `{"time":"2000-02-29T12:00:00Z"}`, `{"time":"1900-02-28T12:00:00Z"}`, `{"time":"1970-01-01T00:00:00Z"}`,
	`{"took":"1.5s"}`, `{"took":"-0.000000001s"}`, `{"took":"315576000000s"}`, `{"took":"0s"}`, `{"mask":"a,b.cD,eF1"}`, `{"mask":""}`,
	`{"struct":{"a":1,"b":[null,true,"x",{"c":{}}],"d":1e21}}`, `{"value":null}`, `{"value":[1,2.5]}`, `{"value":"x"}`, `{"list":[]}`, `{"list":[[1]]}`, `{"nothing":{}}`,
	`{"wrappedInt64":"0","wrappedBool":false,"wrappedText":"","wrappedDouble":0}`, `{"wrappedInt64":"5","wrappedBool":true,"wrappedText":"t","wrappedDouble":2.5}`, `{"any":{}}`, `{"null":null}`,
	`{"doubles":[0,-0,1e300],"ints":["-1","9223372036854775807"],"loose":[0,1,-1],"strings":["","a"],"floats":[0.1,16777217,1e-45]}`,
}
