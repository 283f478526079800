//! Holds the way of a fetch to the post that it follows: for each of the post's twelve pieces of
//! code, both pages quote the code that it has become here.

use crate::source_tree::read;

/// A piece of the post's code: a line by which its reader knows it, and the anchors of ours that
/// answer it.
struct Snippet {
    line: &'static str,
    anchors: &'static [&'static str],
}

/// In the post's order.
const SNIPPETS: [Snippet; 12] = [
    Snippet { line: "ApiKeys.forId(request.requestId) match", anchors: &["handle"] },
    Snippet { line: "replicaManager.fetchMessages(", anchors: &["fetch_params", "fetch_messages"] },
    Snippet {
        line: "readFromLocalLog(fetchOnlyFromLeader, fetchOnlyCommitted, fetchInfo)",
        anchors: &["read_from_local_log"],
    },
    Snippet {
        line: "entry.getValue.read(startOffset, maxOffset, maxLength, maxPosition)",
        anchors: &["segment_read"],
    },
    Snippet {
        line: "def writeTo(destChannel: GatheringByteChannel, writePosition: Long, size: Int)",
        anchors: &["write_to"],
    },
    Snippet {
        line: "FetchResponsePartitionData(result.errorCode, result.hw, result.info.messageSet)",
        anchors: &["fetch_response_partition_data", "slice_or_conversion"],
    },
    Snippet { line: "def sendResponseCallback", anchors: &["send_response_callback"] },
    Snippet { line: "override def run()", anchors: &["processor_run"] },
    Snippet {
        line: "private def processNewResponses()",
        anchors: &["process_new_responses", "selector_send"],
    },
    Snippet { line: "private boolean send(Send send)", anchors: &["channel_write"] },
    Snippet {
        line: "private val sends = new MultiSend(dest",
        anchors: &["topics_of_response", "multi_send"],
    },
    Snippet {
        line: "fileChannel.transferTo(position, count, socketChannel)",
        anchors: &["sendfile", "transfer_from"],
    },
];

/// Lines that the post quotes inside its sentences, or further down in one of its pieces.
const FURTHER_LINES: [Snippet; 4] = [
    Snippet { line: "log.read(offset, fetchSize, maxOffsetOpt)", anchors: &["log_read"] },
    Snippet { line: "responseCallback(fetchPartitionData)", anchors: &["read_from_local_log"] },
    Snippet { line: "selector.send(curr.responseSend)", anchors: &["selector_send"] },
    Snippet {
        line: "written += sends.writeTo(channel)",
        anchors: &["part_write_to", "front_to_back"],
    },
];

#[test]
fn each_piece_of_the_posts_code_has_ours_beside_it() {
    let mut errors = Vec::new();
    for path in ["docs/en/fetch.md", "docs/zh/fetch.md"] {
        let page = read(path);
        let sections: Vec<&str> = page.split("\n### ").collect();
        for Snippet { line, anchors } in SNIPPETS.iter().chain(&FURTHER_LINES) {
            let named = format!("`{line}`");
            let Some(section) = sections.iter().find(|it| it.contains(&named)) else {
                errors.push(format!("{path}: no sentence names the post's {named}"));
                continue;
            };
            let (_, below) = section.split_once(&named).unwrap();
            for anchor in *anchors {
                if !below.contains(&format!(":{anchor}}}}}")) {
                    errors.push(format!("{path}: {anchor} is not quoted under {named}"));
                }
            }
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}
