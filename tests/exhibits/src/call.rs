//! One system call, as a line of strace under `-ttt -T -a 1` shows it, and the functions that made it.

/// A call that has returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// When it began, in microseconds since 1970, by the clock that `SystemTime` reads as well.
    pub(crate) began_us: u64,
    pub(crate) took_us: u64,
    pub(crate) name: String,
    pub(crate) arguments: String,
    /// What it returned, in strace's words: `700504`, `-1 EAGAIN (Resource temporarily unavailable)`.
    pub(crate) result: String,
    /// The symbols of the functions that were running, the innermost first; none without `-k`.
    pub(crate) stack: Vec<String>,
}

impl Call {
    /// Reads all lines of one thread's file. A call that has not returned yet is left out.
    pub(crate) fn all_of(text: &str) -> Vec<Self> {
        let mut calls: Vec<Self> = Vec::new();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            match line.strip_prefix(" > ") {
                Some(frame) => {
                    if let Some(call) = calls.last_mut() {
                        call.stack.extend(symbol(frame).map(String::from));
                    }
                }
                None => calls.extend(Self::parse(line)),
            }
        }
        calls
    }

    /// `1795976065.863670 sendfile(16<TCP:[..]>, 15<..log>, [0] => [203], 203) = 203 <0.000123>`
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (began, rest) = line.split_once(' ')?;
        let (rest, took) = rest.strip_suffix('>')?.rsplit_once(" <")?;
        let (call, result) = rest.rsplit_once(") = ")?;
        let (name, arguments) = call.split_once('(')?;
        Some(Self {
            began_us: microseconds(began)?,
            took_us: microseconds(took)?,
            name: name.to_string(),
            arguments: arguments.to_string(),
            result: result.to_string(),
            stack: Vec::new(),
        })
    }

    pub(crate) fn ended_us(&self) -> u64 {
        self.began_us + self.took_us
    }

    /// The number that it returned; of an address or a descriptor, the digits at its beginning.
    pub(crate) fn value(&self) -> i64 {
        let is_of_number = |c: char| c.is_ascii_digit() || c == '-';
        let end = self.result.find(|c| !is_of_number(c)).unwrap_or(self.result.len());
        self.result[..end].parse().unwrap_or(0)
    }

    /// The arguments, apart at the commas that stand in no bracket.
    pub(crate) fn argument_list(&self) -> Vec<&str> {
        let (mut depth, mut start, mut list) = (0_i32, 0, Vec::new());
        for (at, c) in self.arguments.char_indices() {
            match c {
                '[' | '{' | '(' => depth += 1,
                ']' | '}' | ')' => depth -= 1,
                ',' if depth == 0 => {
                    list.push(self.arguments[start..at].trim());
                    start = at + 1;
                }
                _ => (),
            }
        }
        list.push(self.arguments[start..].trim());
        list
    }

    /// What its first argument is, by `-yy`: `TCP:[127.0.0.1:9092->127.0.0.1:37590]`, a path,
    /// `anon_inode:[eventfd]`.
    pub(crate) fn descriptor(&self) -> Option<&str> {
        descriptor_in(self.argument_list().first()?)
    }
}

/// What stands between the angles of `16<TCP:[..]>`.
pub(crate) fn descriptor_in(argument: &str) -> Option<&str> {
    let (number, rest) = argument.split_once('<')?;
    let is_number = !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit());
    if is_number { rest.strip_suffix('>') } else { None }
}

/// `1795976065.863670` in microseconds.
fn microseconds(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.')?;
    if fraction.len() != 6 {
        return None;
    }
    Some(whole.parse::<u64>().ok()? * 1_000_000 + fraction.parse::<u64>().ok()?)
}

/// The symbol in `/usr/bin/transferto(transferto::network::processor::Processor::run+0x2a8) [0x9]`.
fn symbol(frame: &str) -> Option<&str> {
    let (_file, rest) = frame.split_once('(')?;
    Some(rest.rsplit_once("+0x")?.0)
}

/// `PlaintextTransportLayer::transfer_from` of the whole path of a function, with its module, its
/// trait and its type parameters.
pub(crate) fn short_name(symbol: &str) -> String {
    let symbol = symbol.replace("::{{closure}}", "").replace("::{closure#0}", "");
    let symbol = match symbol.strip_prefix('<').and_then(|it| it.split_once(">::")) {
        Some((owner, member)) => {
            let owner = owner.split(" as ").next().unwrap_or_default();
            format!("{owner}::{member}")
        }
        None => symbol,
    };
    let bare = without_parameters(&symbol);
    let parts: Vec<&str> = bare.split("::").filter(|it| !it.is_empty()).collect();
    parts[parts.len().saturating_sub(2)..].join("::")
}

fn without_parameters(path: &str) -> String {
    let mut depth = 0_i32;
    let kept = path.chars().filter(|c| {
        depth += match c {
            '<' => 1,
            '>' => -1,
            _ => return depth == 0,
        };
        false
    });
    kept.collect()
}
