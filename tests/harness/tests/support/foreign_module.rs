//! Modules that are not ours, byte by byte: the smallest that Envoy takes for a proxy-wasm filter.

/// What such a module does with a request's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Lets every request go on, and sets no decision line.
    Continue,
    /// Traps.
    Trap,
}

/// A module that accepts every configuration.
pub fn module(behaviour: Behaviour) -> Vec<u8> {
    const I32: u8 = 0x7f;
    const RETURN_0: &[u8] = &[0x41, 0];
    const RETURN_1: &[u8] = &[0x41, 1];
    const UNREACHABLE: &[u8] = &[0x00];
    let on_headers = if behaviour == Behaviour::Trap {
        UNREACHABLE
    } else {
        RETURN_0
    };
    // Name, number of i32 parameters, whether it returns an i32, what it does.
    let functions: [(&str, u8, bool, &[u8]); 6] = [
        ("proxy_abi_version_0_2_1", 0, false, &[]),
        ("proxy_on_memory_allocate", 1, true, RETURN_0),
        ("proxy_on_context_create", 2, false, &[]),
        ("proxy_on_vm_start", 2, true, RETURN_1),
        ("proxy_on_configure", 2, true, RETURN_1),
        ("proxy_on_request_headers", 3, true, on_headers),
    ];
    let count = byte(functions.len());
    let (mut types, mut uses, mut exports, mut code) = (vec![count], vec![count], vec![count + 1], vec![count]);
    for (index, (name, parameters, returns, body)) in functions.into_iter().enumerate() {
        types.extend([0x60, parameters]);
        types.extend(vec![I32; usize::from(parameters)]);
        types.extend(if returns { vec![1, I32] } else { vec![0] });
        uses.push(byte(index));
        export(&mut exports, name, 0, byte(index));
        // No locals; the instructions; the end.
        code.extend([byte(body.len() + 2), 0]);
        code.extend_from_slice(body);
        code.push(0x0b);
    }
    export(&mut exports, "memory", 2, 0);
    let one_page = vec![1, 0, 1];
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (section, content) in [(1, types), (3, uses), (5, one_page), (7, exports), (10, code)] {
        module.push(section);
        // A length below 2^14 as LEB128, in two bytes.
        module.extend([byte(content.len() % 128) | 0x80, byte(content.len() / 128)]);
        module.extend(content);
    }
    module
}

fn export(exports: &mut Vec<u8>, name: &str, kind: u8, index: u8) {
    exports.push(byte(name.len()));
    exports.extend_from_slice(name.as_bytes());
    exports.extend([kind, index]);
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("a small number")
}
