package export_wit_world

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"wit_component/wasi_http_outgoing_handler"
	"wit_component/wasi_http_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// WASI takes no more at once.
const pieceBytes = 4096

// post sends JSON through `wasi:http` and returns the answer's status. `net/http` needs sockets, which a plugin has not.
func post(address string, body []byte, header map[string]string) (int, error) {
	request, err := request(address, len(body), header)
	if err != nil {
		return 0, err
	}
	outgoing := request.Body().Ok()
	// It is on its way from here on; the body follows.
	sent := wasi_http_outgoing_handler.Handle(request, wit.None[*wasi_http_types.RequestOptions]())
	if sent.IsErr() {
		return 0, because(sent.Err())
	}
	write(outgoing, body)

	// Not for ever: Lastword gives a request less time than the call has.
	future := sent.Ok()
	ready := future.Subscribe()
	ready.Block()
	ready.Drop()
	answer := future.Get().Some().Ok()
	if answer.IsErr() {
		return 0, because(answer.Err())
	}
	return int(answer.Ok().Status()), nil
}

func request(address string, length int, header map[string]string) (*wasi_http_types.OutgoingRequest, error) {
	parts, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	fields := []wit.Tuple2[string, []uint8]{
		{F0: "content-type", F1: []byte("application/json")},
		{F0: "content-length", F1: []byte(strconv.Itoa(length))},
	}
	for name, value := range header {
		fields = append(fields, wit.Tuple2[string, []uint8]{F0: name, F1: []byte(value)})
	}
	made := wasi_http_types.FieldsFromList(fields)
	if made.IsErr() {
		return nil, errors.New("a header that cannot be sent")
	}
	scheme := wasi_http_types.MakeSchemeHttps()
	if parts.Scheme == "http" {
		scheme = wasi_http_types.MakeSchemeHttp()
	}
	request := wasi_http_types.MakeOutgoingRequest(made.Ok())
	for _, refused := range []bool{
		request.SetMethod(wasi_http_types.MakeMethodPost()).IsErr(),
		request.SetScheme(wit.Some(scheme)).IsErr(),
		request.SetAuthority(wit.Some(parts.Host)).IsErr(),
		request.SetPathWithQuery(wit.Some(parts.RequestURI())).IsErr(),
	} {
		if refused {
			return nil, fmt.Errorf("%q is no address", address)
		}
	}
	return request, nil
}

// write sends the body. When nobody takes it, the future knows why.
func write(outgoing *wasi_http_types.OutgoingBody, body []byte) {
	stream := outgoing.Write().Ok()
	for at := 0; at < len(body); at += pieceBytes {
		if stream.BlockingWriteAndFlush(body[at:min(at+pieceBytes, len(body))]).IsErr() {
			break
		}
	}
	// It must be closed before the body can be finished.
	stream.Drop()
	wasi_http_types.OutgoingBodyFinish(outgoing, wit.None[*wasi_http_types.Fields]())
}

// because puts the errors that matter here into words.
func because(code wasi_http_types.ErrorCode) error {
	switch code.Tag() {
	case wasi_http_types.ErrorCodeConnectionRefused:
		return errors.New("nobody listens there")
	case wasi_http_types.ErrorCodeHttpRequestDenied:
		return errors.New("the grant http does not name it")
	case wasi_http_types.ErrorCodeConnectionTimeout, wasi_http_types.ErrorCodeHttpResponseTimeout:
		return errors.New("no time is left")
	default:
		return fmt.Errorf("error-code %d of wasi:http", code.Tag())
	}
}
