<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ja_JP">
<context>
    <name>AndonBar</name>
    <message>
        <source>since {time}</source>
        <translation>{time} から</translation>
    </message>
</context>
<context>
    <name>ApplySheet</name>
    <message>
        <source>Apply these limits?</source>
        <translation>この限界値を適用しますか？</translation>
    </message>
    <message>
        <source>Why? A reason is required; it is kept in the audit log.</source>
        <translation>理由を選んでください。監査ログに残ります。</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>しきい値</translation>
    </message>
    <message>
        <source>Uncertain from</source>
        <translation>疑わしい下限</translation>
    </message>
    <message>
        <source>Good parts are NG</source>
        <translation>良品がNGになる</translation>
    </message>
    <message>
        <source>A bad part was GOOD</source>
        <translation>不良を良品とした</translation>
    </message>
    <message>
        <source>Material or light is new</source>
        <translation>材料・照明の変更</translation>
    </message>
    <message>
        <source>A trial</source>
        <translation>試し</translation>
    </message>
    <message>
        <source>Another reason…</source>
        <translation>その他の理由…</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Apply</source>
        <translation>適用</translation>
    </message>
    <message>
        <source>No part of this bundle is in the record: what they do cannot be told before.</source>
        <translation>このモデルの記録がないため、効果を事前に示せません。</translation>
    </message>
    <message>
        <source>None of the last {parts} parts would have had another verdict.</source>
        <translation>直近 {parts} 個の判定は変わりません。</translation>
    </message>
    <message>
        <source>Of the last {parts} parts: {changes}</source>
        <translation>直近 {parts} 個のうち: {changes}</translation>
    </message>
    <message>
        <source>Type a reason</source>
        <translation>理由を入力</translation>
    </message>
    <message>
        <source>Take it</source>
        <translation>決定</translation>
    </message>
    <message>
        <source>The counters of the lot start again.</source>
        <translation>ロットの計数は 0 から始まります。</translation>
    </message>
</context>
<context>
    <name>AreaTools</name>
    <message>
        <source>Done</source>
        <translation>完了</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Add mask</source>
        <translation>マスク追加</translation>
    </message>
    <message>
        <source>Remove mask</source>
        <translation>マスク削除</translation>
    </message>
    <message>
        <source>Whole picture</source>
        <translation>画像全体</translation>
    </message>
    <message>
        <source>Close mask</source>
        <translation>マスクを閉じる</translation>
    </message>
    <message>
        <source>Draw mask</source>
        <translation>マスクを描く</translation>
    </message>
</context>
<context>
    <name>AreaView</name>
    <message>
        <source>No picture yet: start the line, or trigger a part.</source>
        <translation>まだ画像がありません。ラインを開始するか、ワークをトリガーしてください。</translation>
    </message>
</context>
<context>
    <name>AskingPage</name>
    <message>
        <source>There is no model store with products: models_dir in station.toml.</source>
        <translation>製品のモデル保管庫がありません（station.toml の models_dir）。</translation>
    </message>
    <message>
        <source>active one of the store</source>
        <translation>保管庫の使用中モデル</translation>
    </message>
    <message>
        <source>Bundles of the store are activated on the Models page.</source>
        <translation>保管庫のモデルは「モデル」画面で切り替えます。</translation>
    </message>
    <message>
        <source>Who is told of every verdict. Other addresses are written into station.toml.</source>
        <translation>判定の通知先。ほかの宛先は station.toml に書きます。</translation>
    </message>
    <message>
        <source>Camera</source>
        <translation>カメラ</translation>
    </message>
</context>
<context>
    <name>BatchPage</name>
    <message>
        <source>Which pictures?</source>
        <translation>どの画像ですか？</translation>
    </message>
    <message>
        <source>Use this</source>
        <translation>これを使う</translation>
    </message>
    <message>
        <source>The station has another bundle now. Touch Scan to judge with it.</source>
        <translation>モデルが変わりました。「検査」でそのモデルで判定します。</translation>
    </message>
    <message>
        <source>Opening {name}…</source>
        <translation>{name} を開いています…</translation>
    </message>
    <message>
        <source>Export to which folder?</source>
        <translation>どのフォルダーに書き出しますか？</translation>
    </message>
    <message>
        <source>Save here</source>
        <translation>ここに保存</translation>
    </message>
    <message>
        <source>The export was cancelled; nothing was left behind.</source>
        <translation>書き出しを取り消しました。何も残っていません。</translation>
    </message>
    <message>
        <source>Saved in {folder}</source>
        <translation>{folder} に保存しました</translation>
    </message>
    <message>
        <source>Scan all pictures again?</source>
        <translation>すべての画像を検査し直しますか？</translation>
    </message>
    <message>
        <source>What was found before is thrown away. Exported results stay.</source>
        <translation>前の結果は捨てます。書き出した結果は残ります。</translation>
    </message>
    <message>
        <source>Scan again</source>
        <translation>検査し直す</translation>
    </message>
    <message>
        <source>Keep results</source>
        <translation>結果を残す</translation>
    </message>
    <message>
        <source>{seconds} s left</source>
        <translation>残り {seconds} 秒</translation>
    </message>
    <message>
        <source>{minutes} min left</source>
        <translation>残り {minutes} 分</translation>
    </message>
    <message>
        <source>{hours} h {minutes} min left</source>
        <translation>残り {hours} 時間 {minutes} 分</translation>
    </message>
</context>
<context>
    <name>BatchView</name>
    <message>
        <source>Folder</source>
        <translation>フォルダー</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>書き出し</translation>
    </message>
    <message>
        <source>No folder is chosen</source>
        <translation>フォルダーが未選択です</translation>
    </message>
    <message>
        <source>All</source>
        <translation>すべて</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Go on</source>
        <translation>続ける</translation>
    </message>
    <message>
        <source>Again</source>
        <translation>もう一度</translation>
    </message>
    <message>
        <source>Scan</source>
        <translation>検査</translation>
    </message>
    <message>
        <source>Exporting {done} of {files}</source>
        <translation>書き出し中 {done} / {files}</translation>
    </message>
    <message>
        <source>Counting the pictures…</source>
        <translation>画像を数えています…</translation>
    </message>
    <message>
        <source>No pictures in it; choose another folder</source>
        <translation>画像がありません。別のフォルダーを選んでください</translation>
    </message>
    <message>
        <source>{done} of {pictures} are done; Go on does the rest</source>
        <translation>{done} / {pictures} 済み。「続ける」で残りを検査</translation>
    </message>
    <message>
        <source>All {pictures} are done</source>
        <translation>全 {pictures} 枚が済みました</translation>
    </message>
    <message>
        <source>Starting…</source>
        <translation>開始しています…</translation>
    </message>
    <message>
        <source>{done} of {pictures}</source>
        <translation>{done} / {pictures}</translation>
    </message>
    <message>
        <source>writing the report…</source>
        <translation>報告書を作成中…</translation>
    </message>
    <message>
        <source>Choose a folder of pictures. Each is judged as the line would; the line goes on meanwhile.</source>
        <translation>画像のフォルダーを選んでください。ラインと同じ判定をします。その間もラインは動きます。</translation>
    </message>
    <message>
        <source>none of these</source>
        <translation>該当なし</translation>
    </message>
    <message>
        <source>Scan judges the pictures; the most anomalous come first.</source>
        <translation>「検査」で判定し、異常の大きい順に並べます。</translation>
    </message>
</context>
<context>
    <name>BundleList</name>
    <message>
        <source>active</source>
        <translation>使用中</translation>
    </message>
    <message>
        <source>previous</source>
        <translation>ひとつ前</translation>
    </message>
    <message>
        <source>judges now</source>
        <translation>判定中</translation>
    </message>
    <message>
        <source>cannot be used</source>
        <translation>使用不可</translation>
    </message>
</context>
<context>
    <name>BusySheet</name>
    <message>
        <source>{seconds} s</source>
        <translation>{seconds} 秒</translation>
    </message>
</context>
<context>
    <name>ChangedBar</name>
    <message>
        <source>{product} runs now</source>
        <translation>{product} で運転中</translation>
    </message>
    <message>
        <source>Back to {product}</source>
        <translation>{product} に戻す</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
</context>
<context>
    <name>Changeover</name>
    <message>
        <source>This recipe cannot be used</source>
        <translation>このレシピは使えません</translation>
    </message>
    <message>
        <source>Changing over to {product}</source>
        <translation>{product} へ段取り替え中</translation>
    </message>
    <message>
        <source>The product was not changed</source>
        <translation>製品は変わりませんでした</translation>
    </message>
</context>
<context>
    <name>ChangeoverSheet</name>
    <message>
        <source>Which product comes next?</source>
        <translation>次の品種は？</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
    <message>
        <source>This station runs without a file of settings, so it has one product alone.</source>
        <translation>設定ファイルなしで動いているため、製品は一つだけです。</translation>
    </message>
    <message>
        <source>With several cameras there is no changeover; an engineer changes the recipe.</source>
        <translation>カメラが複数あるため段取り替えはできません。技術者が「レシピ」画面で変更します。</translation>
    </message>
    <message>
        <source>Looking which recipes there are</source>
        <translation>レシピを調べています</translation>
    </message>
    <message>
        <source>No recipe is kept yet. An engineer keeps one on the Recipe page.</source>
        <translation>保存されたレシピがありません。技術者が「レシピ」画面で保存します。</translation>
    </message>
</context>
<context>
    <name>ChoiceSheet</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
</context>
<context>
    <name>CollectPanel</name>
    <message>
        <source>Take this part</source>
        <translation>このワークを採用</translation>
    </message>
    <message>
        <source>on</source>
        <translation>オン</translation>
    </message>
    <message>
        <source>off</source>
        <translation>オフ</translation>
    </message>
    <message>
        <source>The parts taken last will be here</source>
        <translation>最近採用したワークがここに並びます</translation>
    </message>
    <message>
        <source>Take every good-looking part</source>
        <translation>良さそうなワークを全て採用</translation>
    </message>
</context>
<context>
    <name>ComparePanel</name>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>比較</translation>
    </message>
    <message>
        <source>Not compared yet</source>
        <translation>まだ比較していません</translation>
    </message>
    <message>
        <source>The parts that would change will be here</source>
        <translation>判定が変わるワークがここに並びます</translation>
    </message>
    <message>
        <source>No part would change</source>
        <translation>判定が変わるワークはありません</translation>
    </message>
    <message>
        <source>recorded</source>
        <translation>記録</translation>
    </message>
    <message>
        <source>taught</source>
        <translation>学習用</translation>
    </message>
    <message>
        <source>Parts whose picture the record has kept, which are mostly not GOOD ones, and the parts taught.</source>
        <translation>画像が記録に残るワーク（多くは良品以外）と、学習用のワーク。</translation>
    </message>
</context>
<context>
    <name>ComparisonView</name>
    <message>
        <source>this part</source>
        <translation>このワーク</translation>
    </message>
    <message>
        <source>as the model would rebuild it</source>
        <translation>モデルによる再構成</translation>
    </message>
    <message>
        <source>strange place</source>
        <translation>異常箇所</translation>
    </message>
    <message>
        <source>most like it, good part {number}</source>
        <translation>最も近い良品 {number}</translation>
    </message>
    <message>
        <source>This model keeps no good pictures to compare with.</source>
        <translation>このモデルには比較できる良品画像がありません。</translation>
    </message>
</context>
<context>
    <name>CountBar</name>
    <message>
        <source>promise from</source>
        <translation>保証は</translation>
    </message>
    <message>
        <source>sure from</source>
        <translation>確実は</translation>
    </message>
</context>
<context>
    <name>CountersPanel</name>
    <message>
        <source>parts</source>
        <translation>検査数</translation>
    </message>
    <message>
        <source>yield</source>
        <translation>良品率</translation>
    </message>
    <message>
        <source>Reset lot</source>
        <translation>リセット</translation>
    </message>
    <message>
        <source>Shift</source>
        <translation>直</translation>
    </message>
    <message>
        <source>Lot</source>
        <translation>ロット</translation>
    </message>
</context>
<context>
    <name>Export</name>
    <message>
        <source>On this station</source>
        <translation>この検査装置</translation>
    </message>
    <message>
        <source>Where to?</source>
        <translation>どこへ？</translation>
    </message>
    <message>
        <source>{good} good and {bad} bad pictures of {product} are in {out}.</source>
        <translation>{product} の良品 {good} 枚と不良 {bad} 枚を {out} に書き出しました。</translation>
    </message>
    <message>
        <source>Of {count} marked parts no picture was kept.</source>
        <translation>確認済みの {count} 個は画像が残っていません。</translation>
    </message>
    <message>
        <source>Exported</source>
        <translation>書き出しました</translation>
    </message>
    <message>
        <source>Copying marked pictures</source>
        <translation>確認済みの画像をコピーしています</translation>
    </message>
    <message>
        <source>{count} parts are in {out}.</source>
        <translation>{count} 個を {out} に書き出しました。</translation>
    </message>
    <message>
        <source>Writing the table</source>
        <translation>表を書いています</translation>
    </message>
    <message>
        <source>Not exported</source>
        <translation>書き出せませんでした</translation>
    </message>
</context>
<context>
    <name>FactsBar</name>
    <message>
        <source>Product</source>
        <translation>品種</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>しきい値</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>デバイス</translation>
    </message>
    <message>
        <source>Median</source>
        <translation>中央値</translation>
    </message>
    <message>
        <source>99 %</source>
        <translation>99 %</translation>
    </message>
    <message>
        <source>Dropped</source>
        <translation>取りこぼし</translation>
    </message>
    <message>
        <source>Signed</source>
        <translation>署名</translation>
    </message>
</context>
<context>
    <name>FiguresPanel</name>
    <message>
        <source>Active</source>
        <translation>使用中</translation>
    </message>
    <message>
        <source>New</source>
        <translation>新しい</translation>
    </message>
    <message>
        <source>Overkill</source>
        <translation>過検出</translation>
    </message>
    <message>
        <source>Escape</source>
        <translation>見逃し</translation>
    </message>
    <message>
        <source>Rejects / 8 h</source>
        <translation>排出 / 8 時間</translation>
    </message>
    <message>
        <source>Last parts: {parts}; other verdict: {changed}</source>
        <translation>直近 {parts} 個、判定の変化 {changed}</translation>
    </message>
</context>
<context>
    <name>FolderList</name>
    <message>
        <source>Home</source>
        <translation>ホーム</translation>
    </message>
</context>
<context>
    <name>FolderSheet</name>
    <message>
        <source>{count} pictures</source>
        <translation>画像 {count} 枚</translation>
    </message>
    <message>
        <source>Up</source>
        <translation>上へ</translation>
    </message>
    <message>
        <source>Places</source>
        <translation>異常箇所</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Reading…</source>
        <translation>読み込み中…</translation>
    </message>
    <message>
        <source>Where is it?</source>
        <translation>場所を選んでください</translation>
    </message>
    <message>
        <source>no folders in it</source>
        <translation>フォルダーはありません</translation>
    </message>
    <message>
        <source>{count} folders</source>
        <translation>フォルダー {count}</translation>
    </message>
</context>
<context>
    <name>Gallery</name>
    <message>
        <source>usual</source>
        <translation>通常</translation>
    </message>
    <message>
        <source>pressed</source>
        <translation>押下</translation>
    </message>
    <message>
        <source>switched on</source>
        <translation>選択中</translation>
    </message>
    <message>
        <source>not now</source>
        <translation>無効</translation>
    </message>
    <message>
        <source>grave</source>
        <translation>重大</translation>
    </message>
    <message>
        <source>main</source>
        <translation>主操作</translation>
    </message>
    <message>
        <source>what happened, and what to do</source>
        <translation>起きたことと対処方法</translation>
    </message>
    <message>
        <source>A question?</source>
        <translation>質問ですか？</translation>
    </message>
    <message>
        <source>What will happen when it is answered with yes.</source>
        <translation>「はい」で何が起きるかの説明です。</translation>
    </message>
    <message>
        <source>Do it</source>
        <translation>実行する</translation>
    </message>
    <message>
        <source>Leave it</source>
        <translation>やめる</translation>
    </message>
</context>
<context>
    <name>HeatLegend</name>
    <message>
        <source>threshold</source>
        <translation>しきい値</translation>
    </message>
</context>
<context>
    <name>HistoryPage</name>
    <message>
        <source>Hour</source>
        <translation>時間</translation>
    </message>
    <message>
        <source>Shift</source>
        <translation>直</translation>
    </message>
    <message>
        <source>Day</source>
        <translation>日</translation>
    </message>
    <message>
        <source>Parts</source>
        <translation>一覧</translation>
    </message>
    <message>
        <source>Export
CSV</source>
        <translation>CSV
出力</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>時刻</translation>
    </message>
    <message>
        <source>Verdict</source>
        <translation>判定</translation>
    </message>
    <message>
        <source>Serial begins with</source>
        <translation>番号の先頭</translation>
    </message>
    <message>
        <source>Parts, and yield in %</source>
        <translation>検査数と良品率 (%)</translation>
    </message>
    <message>
        <source>grey GOOD, red NG, black NO VERDICT</source>
        <translation>灰: 良品、赤: NG、黒: 判定不能</translation>
    </message>
    <message>
        <source>all within the limits</source>
        <translation>すべて管理限界内</translation>
    </message>
    <message>
        <source>{count} outside: something has changed</source>
        <translation>限界外 {count}: 変化があります</translation>
    </message>
    <message>
        <source>no part judged in this time</source>
        <translation>この期間に検査はありません</translation>
    </message>
    <message>
        <source>Share of NG, 3-sigma limits</source>
        <translation>NG率と3シグマ限界</translation>
    </message>
    <message>
        <source>{places} places in {parts} NG parts; outlined cells hold 80 %</source>
        <translation>NG {parts} 個の {places} か所、枠内に 80 %</translation>
    </message>
    <message>
        <source>no place of a defect in this time</source>
        <translation>この期間に異常箇所はありません</translation>
    </message>
    <message>
        <source>Where defects sit</source>
        <translation>異常の位置</translation>
    </message>
    <message>
        <source>{parts} parts in the last {count} hours
yield {share}</source>
        <translation>直近 {count} 時間の検査数 {parts}
良品率 {share}</translation>
    </message>
    <message>
        <source>{parts} parts in the last {count} shifts
yield {share}</source>
        <translation>直近 {count} 直の検査数 {parts}
良品率 {share}</translation>
    </message>
    <message>
        <source>{parts} parts in the last {count} days
yield {share}</source>
        <translation>直近 {count} 日の検査数 {parts}
良品率 {share}</translation>
    </message>
    <message>
        <source>This station keeps no record</source>
        <translation>この検査装置は記録を残しません</translation>
    </message>
    <message>
        <source>Reading the record</source>
        <translation>記録を読んでいます</translation>
    </message>
    <message>
        <source>{count} parts</source>
        <translation>{count} 個</translation>
    </message>
    <message>
        <source>the newest {count} parts</source>
        <translation>最新 {count} 個</translation>
    </message>
    <message>
        <source>No part passes</source>
        <translation>該当するワークはありません</translation>
    </message>
    <message>
        <source>Today</source>
        <translation>今日</translation>
    </message>
    <message>
        <source>Yesterday</source>
        <translation>昨日</translation>
    </message>
    <message>
        <source>7 days</source>
        <translation>7 日間</translation>
    </message>
    <message>
        <source>All</source>
        <translation>すべて</translation>
    </message>
    <message>
        <source>Serial</source>
        <translation>番号</translation>
    </message>
    <message>
        <source>any</source>
        <translation>すべて</translation>
    </message>
</context>
<context>
    <name>KeyboardSheet</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
</context>
<context>
    <name>LinePage</name>
    <message>
        <source>Start</source>
        <translation>開始</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Menu</source>
        <translation>メニュー</translation>
    </message>
    <message>
        <source>Set to zero</source>
        <translation>ゼロに戻す</translation>
    </message>
    <message>
        <source>Keep counting</source>
        <translation>このまま続ける</translation>
    </message>
    <message>
        <source>Last picture, {time}</source>
        <translation>最後の画像 {time}</translation>
    </message>
    <message>
        <source>Trigger</source>
        <translation>トリガー</translation>
    </message>
    <message>
        <source>Trend</source>
        <translation>推移</translation>
    </message>
    <message>
        <source>Set the counters of the lot to zero?</source>
        <translation>ロットの計数を 0 にしますか？</translation>
    </message>
    <message>
        <source>The lot starts again. The counters of the shift and the records of all parts stay.</source>
        <translation>ロットの計数だけを 0 にします。直の計数と全ワークの記録は残ります。</translation>
    </message>
    <message>
        <source>Product</source>
        <translation>品種</translation>
    </message>
</context>
<context>
    <name>MarkFigures</name>
    <message>
        <source>Overkill</source>
        <translation>過検出</translation>
    </message>
    <message>
        <source>Escape</source>
        <translation>見逃し</translation>
    </message>
    <message>
        <source>{count} of {of} NG reviewed</source>
        <translation>NG {of} 個中 {count} 個を確認</translation>
    </message>
    <message>
        <source>{count} of {of} GOOD reviewed</source>
        <translation>良品 {of} 個中 {count} 個を確認</translation>
    </message>
    <message>
        <source>no NG part reviewed</source>
        <translation>NGの確認なし</translation>
    </message>
    <message>
        <source>no GOOD part reviewed</source>
        <translation>良品の確認なし</translation>
    </message>
    <message>
        <source>unknown</source>
        <translation>不明</translation>
    </message>
</context>
<context>
    <name>Menu</name>
    <message>
        <source>Dark</source>
        <translation>暗い画面</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>明るい画面</translation>
    </message>
    <message>
        <source>Lock</source>
        <translation>ロック</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
</context>
<context>
    <name>ModelsPage</name>
    <message>
        <source>Detector</source>
        <translation>検出方式</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>しきい値</translation>
    </message>
    <message>
        <source>False rejects, at most</source>
        <translation>過検出の上限</translation>
    </message>
    <message>
        <source>Good parts seen</source>
        <translation>学習した良品</translation>
    </message>
    <message>
        <source>AUROC (95 %)</source>
        <translation>AUROC (95 %)</translation>
    </message>
    <message>
        <source>Pixel AUROC</source>
        <translation>画素 AUROC</translation>
    </message>
    <message>
        <source>Anomalous called NG</source>
        <translation>異常をNGとした率</translation>
    </message>
    <message>
        <source>Normal called GOOD</source>
        <translation>正常を良品とした率</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>精度 (量子化)</translation>
    </message>
    <message>
        <source>Parity: verdicts differ</source>
        <translation>量子化前と異なる判定</translation>
    </message>
    <message>
        <source>Alignment</source>
        <translation>位置合わせ</translation>
    </message>
    <message>
        <source>Picture of the model</source>
        <translation>モデルの画像</translation>
    </message>
    <message>
        <source>Golden samples, passed</source>
        <translation>標準サンプル合格</translation>
    </message>
    <message>
        <source>Made</source>
        <translation>作成</translation>
    </message>
    <message>
        <source>Sequence</source>
        <translation>順番</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>サイズ</translation>
    </message>
    <message>
        <source>Data set (SHA-256)</source>
        <translation>データ (SHA-256)</translation>
    </message>
    <message>
        <source>Trainer&apos;s revision</source>
        <translation>学習ソフトの版</translation>
    </message>
    <message>
        <source>Trained on</source>
        <translation>学習環境</translation>
    </message>
    <message>
        <source>What changed</source>
        <translation>変更点</translation>
    </message>
    <message>
        <source>Roll back</source>
        <translation>元に戻す</translation>
    </message>
    <message>
        <source>{bundle} has to pass its self-test; then it judges the parts.</source>
        <translation>{bundle} は自己診断に合格すると判定を始めます。</translation>
    </message>
    <message>
        <source>Judge with another bundle?</source>
        <translation>別のモデルで判定しますか？</translation>
    </message>
    <message>
        <source>Activate</source>
        <translation>使用する</translation>
    </message>
    <message>
        <source>{bundle} judges the parts again.</source>
        <translation>{bundle} で再び判定します。</translation>
    </message>
    <message>
        <source>Go back to the bundle before?</source>
        <translation>ひとつ前のモデルに戻しますか？</translation>
    </message>
    <message>
        <source>Leave as it is</source>
        <translation>このままにする</translation>
    </message>
    <message>
        <source>{bundle} is active; the station judges with it.</source>
        <translation>{bundle} を使用中。このモデルで判定しています。</translation>
    </message>
    <message>
        <source>{bundle} is the active bundle already.</source>
        <translation>{bundle} はすでに使用中です。</translation>
    </message>
    <message>
        <source>{bundle} is active; the station takes it at its next start.</source>
        <translation>{bundle} を使用します。次の起動から判定します。</translation>
    </message>
    <message>
        <source>Stop waiting</source>
        <translation>待つのをやめる</translation>
    </message>
    <message>
        <source>Reading the bundles…</source>
        <translation>モデルを読んでいます…</translation>
    </message>
    <message>
        <source>active</source>
        <translation>使用中</translation>
    </message>
    <message>
        <source>this one</source>
        <translation>このモデル</translation>
    </message>
    <message>
        <source>Nothing differs from the active bundle.</source>
        <translation>使用中のモデルと同じです。</translation>
    </message>
    <message>
        <source>Self-test, then the station's answer… {seconds} s</source>
        <translation>自己診断と応答待ち… {seconds} 秒</translation>
    </message>
    <message>
        <source>This station judges with one bundle from a file, as bundle in station.toml says. With a model store (models_dir) bundles can be changed here.</source>
        <translation>station.toml の bundle のモデルだけで判定しています。モデル保管場所 (models_dir) があれば、ここで変更できます。</translation>
    </message>
    <message>
        <source>{count} bundles of {product} are installed; each has passed its self-test here.</source>
        <translation>{product} のモデルが {count} 個あり、すべて自己診断に合格しています。</translation>
    </message>
    <message>
        <source>Signed by</source>
        <translation>署名者</translation>
    </message>
    <message>
        <source>It is OLDER than one that was active.</source>
        <translation>以前に使用したものより古いモデルです。</translation>
    </message>
    <message>
        <source>development key {keyid}</source>
        <translation>開発用の鍵 {keyid}</translation>
    </message>
    <message>
        <source>UNSIGNED</source>
        <translation>署名なし</translation>
    </message>
</context>
<context>
    <name>NewPinSheet</name>
    <message>
        <source>No PIN was set yet. Choose one of {least} to {most} digits.</source>
        <translation>暗証番号がまだありません。{least}～{most} 桁で決めてください。</translation>
    </message>
    <message>
        <source>A new PIN</source>
        <translation>新しい暗証番号</translation>
    </message>
    <message>
        <source>Once more the same, please.</source>
        <translation>もう一度入力してください。</translation>
    </message>
    <message>
        <source>They were not the same. Choose a PIN.</source>
        <translation>一致しません。もう一度決めてください。</translation>
    </message>
</context>
<context>
    <name>NumberSheet</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>from {least} to {most} {unit}</source>
        <translation>{least} ～ {most} {unit}</translation>
    </message>
</context>
<context>
    <name>Pages</name>
    <message>
        <source>Review</source>
        <translation>判定確認</translation>
    </message>
    <message>
        <source>History</source>
        <translation>履歴</translation>
    </message>
    <message>
        <source>Batch</source>
        <translation>一括検査</translation>
    </message>
    <message>
        <source>Tuning</source>
        <translation>しきい値調整</translation>
    </message>
    <message>
        <source>Recipe</source>
        <translation>レシピ</translation>
    </message>
    <message>
        <source>Teach</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>モデル管理</translation>
    </message>
    <message>
        <source>Changeover</source>
        <translation>段取り替え</translation>
    </message>
</context>
<context>
    <name>PartDelegate</name>
    <message>
        <source>score {score}</source>
        <translation>スコア {score}</translation>
    </message>
</context>
<context>
    <name>PartSheet</name>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
    <message>
        <source>{count}, the strongest {peak}</source>
        <translation>{count} か所、最大 {peak}</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>時刻</translation>
    </message>
    <message>
        <source>Record</source>
        <translation>記録番号</translation>
    </message>
    <message>
        <source>Score</source>
        <translation>スコア</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>しきい値</translation>
    </message>
    <message>
        <source>Places</source>
        <translation>異常箇所</translation>
    </message>
    <message>
        <source>Product</source>
        <translation>品種</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>デバイス</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>比較</translation>
    </message>
    <message>
        <source>weak</source>
        <translation>弱</translation>
    </message>
    <message>
        <source>medium</source>
        <translation>中</translation>
    </message>
    <message>
        <source>strong</source>
        <translation>強</translation>
    </message>
    <message>
        <source>comparing</source>
        <translation>比較中</translation>
    </message>
    <message>
        <source>Number</source>
        <translation>番号</translation>
    </message>
    <message>
        <source>Strength</source>
        <translation>濃さ</translation>
    </message>
</context>
<context>
    <name>PictureSheet</name>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
</context>
<context>
    <name>PictureView</name>
    <message>
        <source>no picture of this part</source>
        <translation>このワークの画像はありません</translation>
    </message>
</context>
<context>
    <name>PinSheet</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Engineer&apos;s PIN</source>
        <translation>技術者の暗証番号</translation>
    </message>
    <message>
        <source>One moment, please.</source>
        <translation>少々お待ちください。</translation>
    </message>
    <message>
        <source>Wrong PIN</source>
        <translation>暗証番号が違います</translation>
    </message>
    <message>
        <source>Too many wrong PINs. Try again in {seconds} s.</source>
        <translation>誤入力が続きました。{seconds} 秒後に入力できます。</translation>
    </message>
</context>
<context>
    <name>ProductTab</name>
    <message>
        <source>active one of the store</source>
        <translation>保管庫の使用中モデル</translation>
    </message>
    <message>
        <source>Keep as recipe</source>
        <translation>レシピに保存</translation>
    </message>
    <message>
        <source>for the changeover</source>
        <translation>段取り替え用</translation>
    </message>
    <message>
        <source>Settings before</source>
        <translation>前の設定</translation>
    </message>
    <message>
        <source>take them again</source>
        <translation>元に戻す</translation>
    </message>
    <message>
        <source>Challenge</source>
        <translation>チャレンジ</translation>
    </message>
    <message>
        <source>golden samples, now</source>
        <translation>基準サンプルを今すぐ</translation>
    </message>
    <message>
        <source>running</source>
        <translation>実行中</translation>
    </message>
    <message>
        <source>never yet</source>
        <translation>未実施</translation>
    </message>
    <message>
        <source>PASSED</source>
        <translation>合格</translation>
    </message>
    <message>
        <source>FAILED</source>
        <translation>不合格</translation>
    </message>
    <message>
        <source>Last challenge</source>
        <translation>前回のチャレンジ</translation>
    </message>
</context>
<context>
    <name>Progress</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>{done} of {total} parts</source>
        <translation>{done} / {total} 個</translation>
    </message>
</context>
<context>
    <name>RecipeCard</name>
    <message>
        <source>runs now</source>
        <translation>使用中</translation>
    </message>
    <message>
        <source>cannot be used</source>
        <translation>使用不可</translation>
    </message>
    <message>
        <source>last run unknown</source>
        <translation>前回の使用は不明</translation>
    </message>
    <message>
        <source>last ran {date} {time}</source>
        <translation>前回 {date} {time}</translation>
    </message>
</context>
<context>
    <name>RecipePage</name>
    <message>
        <source>The product was changed over meanwhile; changes that were not applied are gone.</source>
        <translation>その間に段取り替えがあり、未適用の変更は失われました。</translation>
    </message>
    <message>
        <source>Applying the changes</source>
        <translation>変更を適用中</translation>
    </message>
    <message>
        <source>Taking the settings before</source>
        <translation>前の設定に戻しています</translation>
    </message>
    <message>
        <source>Apply these changes?</source>
        <translation>この変更を適用しますか？</translation>
    </message>
    <message>
        <source>The line stops after the part in hand, and goes on with the new settings.</source>
        <translation>今のワークの後に一度止まり、新しい設定で続きます。</translation>
    </message>
    <message>
        <source>Apply</source>
        <translation>適用</translation>
    </message>
    <message>
        <source>Go on editing</source>
        <translation>編集を続ける</translation>
    </message>
    <message>
        <source>Nothing was changed</source>
        <translation>変更はありません</translation>
    </message>
    <message>
        <source>The operator can change over to it: {path}</source>
        <translation>作業者が段取り替えで選べます: {path}</translation>
    </message>
    <message>
        <source>The recipe is kept</source>
        <translation>レシピを保存しました</translation>
    </message>
    <message>
        <source>The challenge has FAILED</source>
        <translation>チャレンジ不合格</translation>
    </message>
    <message>
        <source>The challenge could not be run</source>
        <translation>チャレンジを実行できません</translation>
    </message>
</context>
<context>
    <name>RecipeView</name>
    <message>
        <source>Camera
{name}</source>
        <translation>カメラ
{name}</translation>
    </message>
    <message>
        <source>Last picture, {time}</source>
        <translation>最後の画像 {time}</translation>
    </message>
    <message>
        <source>Nothing can be changed here: the station runs without a file of settings. Give it {option}.</source>
        <translation>設定ファイルなしで動いているため変更できません。{option} を付けて起動してください。</translation>
    </message>
    <message>
        <source>Reading the settings</source>
        <translation>設定を読み込み中</translation>
    </message>
    <message>
        <source>Touch the corners of the mask one after the other; touch the first one again to close it.</source>
        <translation>マスクの角を順に触れ、最初の角に再び触れて閉じます。</translation>
    </message>
    <message>
        <source>Changes not applied yet: {count}</source>
        <translation>未適用の変更: {count}</translation>
    </message>
    <message>
        <source>Drag a corner to change the region or a mask, or drag it as a whole.</source>
        <translation>角を動かすと形が変わり、中を動かすと全体が移動します。</translation>
    </message>
    <message>
        <source>Region: {region}. Masks: {count}.</source>
        <translation>検査領域: {region}、マスク: {count}</translation>
    </message>
    <message>
        <source>Apply</source>
        <translation>適用</translation>
    </message>
    <message>
        <source>Discard</source>
        <translation>破棄</translation>
    </message>
    <message>
        <source>Product</source>
        <translation>品種</translation>
    </message>
    <message>
        <source>Camera</source>
        <translation>カメラ</translation>
    </message>
    <message>
        <source>Region</source>
        <translation>検査領域</translation>
    </message>
    <message>
        <source>Trigger</source>
        <translation>トリガー</translation>
    </message>
    <message>
        <source>Outputs</source>
        <translation>出力</translation>
    </message>
</context>
<context>
    <name>ResultGrid</name>
    <message>
        <source>no picture</source>
        <translation>画像なし</translation>
    </message>
</context>
<context>
    <name>ReviewPage</name>
    <message>
        <source>Export</source>
        <translation>書き出し</translation>
    </message>
    <message>
        <source>Really
bad</source>
        <translation>本当に
不良</translation>
    </message>
    <message>
        <source>Was
good</source>
        <translation>実は
良品</translation>
    </message>
    <message>
        <source>Not
sure</source>
        <translation>不明</translation>
    </message>
    <message>
        <source>Take
back</source>
        <translation>取り消し</translation>
    </message>
    <message>
        <source>Nothing is left to review here</source>
        <translation>確認するものはありません</translation>
    </message>
    <message>
        <source>Of {of} good parts {count} were called NG: {interval}</source>
        <translation>良品 {of} 個のうち {count} 個が NG 判定: {interval}</translation>
    </message>
    <message>
        <source>This station keeps no record</source>
        <translation>この検査装置は記録を残しません</translation>
    </message>
    <message>
        <source>Reading the record</source>
        <translation>記録を読んでいます</translation>
    </message>
    <message>
        <source>Reading the picture</source>
        <translation>画像を読んでいます</translation>
    </message>
    <message>
        <source>NG</source>
        <translation>NG</translation>
    </message>
    <message>
        <source>NO VERDICT</source>
        <translation>判定不能</translation>
    </message>
    <message>
        <source>Close calls</source>
        <translation>きわどい判定</translation>
    </message>
    <message>
        <source>The record</source>
        <translation>記録</translation>
    </message>
</context>
<context>
    <name>ScannedSheet</name>
    <message>
        <source>Score</source>
        <translation>スコア</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>しきい値</translation>
    </message>
    <message>
        <source>Places</source>
        <translation>異常箇所</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>Why</source>
        <translation>理由</translation>
    </message>
    <message>
        <source>In the scan</source>
        <translation>検査のとき</translation>
    </message>
    <message>
        <source>{then}; the picture is another one now</source>
        <translation>{then}。画像は今は別のものです</translation>
    </message>
</context>
<context>
    <name>ScoreBar</name>
    <message>
        <source>Score {score}</source>
        <translation>スコア {score}</translation>
    </message>
    <message>
        <source>Threshold {threshold}</source>
        <translation>しきい値 {threshold}</translation>
    </message>
</context>
<context>
    <name>ScorePlot</name>
    <message>
        <source>no band</source>
        <translation>帯なし</translation>
    </message>
    <message>
        <source>not marked</source>
        <translation>未確認</translation>
    </message>
    <message>
        <source>marked good</source>
        <translation>良品と確認</translation>
    </message>
    <message>
        <source>marked bad</source>
        <translation>不良と確認</translation>
    </message>
    <message>
        <source>golden samples</source>
        <translation>標準サンプル</translation>
    </message>
</context>
<context>
    <name>Settings</name>
    <message>
        <source>Product</source>
        <translation>品種</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>Region</source>
        <translation>検査領域</translation>
    </message>
    <message>
        <source>Masks</source>
        <translation>マスク</translation>
    </message>
    <message>
        <source>Number required</source>
        <translation>番号必須</translation>
    </message>
    <message>
        <source>Exposure</source>
        <translation>露光時間</translation>
    </message>
    <message>
        <source>Gain</source>
        <translation>ゲイン</translation>
    </message>
    <message>
        <source>White balance</source>
        <translation>ホワイトバランス</translation>
    </message>
    <message>
        <source>Picture width</source>
        <translation>画像の幅</translation>
    </message>
    <message>
        <source>Picture height</source>
        <translation>画像の高さ</translation>
    </message>
    <message>
        <source>Pictures a second</source>
        <translation>毎秒の画像数</translation>
    </message>
    <message>
        <source>Trigger</source>
        <translation>トリガー</translation>
    </message>
    <message>
        <source>Every</source>
        <translation>間隔</translation>
    </message>
    <message>
        <source>Waits for a picture</source>
        <translation>画像待ち時間</translation>
    </message>
    <message>
        <source>Counts at</source>
        <translation>判定位置</translation>
    </message>
    <message>
        <source>Counts when still for</source>
        <translation>静止判定時間</translation>
    </message>
    <message>
        <source>Reject outputs</source>
        <translation>排出出力</translation>
    </message>
    <message>
        <source>GOOD pictures kept</source>
        <translation>良品画像の保存</translation>
    </message>
    <message>
        <source>Other pictures kept</source>
        <translation>その他の画像の保存</translation>
    </message>
    <message>
        <source>Disk kept free</source>
        <translation>空き容量の確保</translation>
    </message>
    <message>
        <source>Pictures at most</source>
        <translation>画像の上限</translation>
    </message>
    <message>
        <source>Share of GOOD kept</source>
        <translation>良品の保存割合</translation>
    </message>
    <message>
        <source>Every picture</source>
        <translation>全画像</translation>
    </message>
    <message>
        <source>On demand</source>
        <translation>要求時</translation>
    </message>
    <message>
        <source>Timer</source>
        <translation>タイマー</translation>
    </message>
    <message>
        <source>Part present</source>
        <translation>ワーク検知</translation>
    </message>
    <message>
        <source>camera&apos;s own</source>
        <translation>カメラ任せ</translation>
    </message>
    <message>
        <source>off</source>
        <translation>オフ</translation>
    </message>
    <message>
        <source>none</source>
        <translation>なし</translation>
    </message>
    <message>
        <source>yes</source>
        <translation>はい</translation>
    </message>
    <message>
        <source>no</source>
        <translation>いいえ</translation>
    </message>
    <message>
        <source>whole picture</source>
        <translation>画像全体</translation>
    </message>
    <message>
        <source>{width} x {height} px at {left}, {top}</source>
        <translation>{width} x {height} px（{left}, {top}）</translation>
    </message>
    <message>
        <source>the camera cannot</source>
        <translation>カメラが非対応</translation>
    </message>
    <message>
        <source>camera: {value}</source>
        <translation>カメラ: {value}</translation>
    </message>
</context>
<context>
    <name>SomeSheet</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>OK</source>
        <translation>OK</translation>
    </message>
    <message>
        <source>on</source>
        <translation>オン</translation>
    </message>
    <message>
        <source>off</source>
        <translation>オフ</translation>
    </message>
</context>
<context>
    <name>StationBridge</name>
    <message>
        <source>The line stops after the part in hand.</source>
        <translation>今のワークの後に止まります。</translation>
    </message>
    <message>
        <source>The station is set up anew.</source>
        <translation>検査機を再設定しています。</translation>
    </message>
    <message>
        <source>The settings are being changed on the Recipe page.</source>
        <translation>「レシピ」画面で設定を変更中です。</translation>
    </message>
    <message>
        <source>{device} cannot be used: the CPU judges in its place.</source>
        <translation>{device} が使えないため、代わりに CPU で判定しています。</translation>
    </message>
</context>
<context>
    <name>StoredFacts</name>
    <message>
        <source>Time</source>
        <translation>時刻</translation>
    </message>
    <message>
        <source>Serial</source>
        <translation>番号</translation>
    </message>
    <message>
        <source>Why</source>
        <translation>理由</translation>
    </message>
    <message>
        <source>Marked</source>
        <translation>確認</translation>
    </message>
</context>
<context>
    <name>StoredPartSheet</name>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
    <message>
        <source>Really
bad</source>
        <translation>本当に
不良</translation>
    </message>
    <message>
        <source>Was
good</source>
        <translation>実は
良品</translation>
    </message>
    <message>
        <source>Not
sure</source>
        <translation>不明</translation>
    </message>
    <message>
        <source>Reading the picture</source>
        <translation>画像を読んでいます</translation>
    </message>
</context>
<context>
    <name>StoredPicture</name>
    <message>
        <source>The picture {problem}</source>
        <translation>画像: {problem}</translation>
    </message>
    <message>
        <source>No picture of this part was kept</source>
        <translation>このワークの画像は残っていません</translation>
    </message>
</context>
<context>
    <name>SwapPanel</name>
    <message>
        <source>Swap it in</source>
        <translation>切り替える</translation>
    </message>
    <message>
        <source>Save
to a folder</source>
        <translation>フォルダに
保存</translation>
    </message>
</context>
<context>
    <name>Teach</name>
    <message>
        <source>Collect</source>
        <translation>収集</translation>
    </message>
    <message>
        <source>Teach</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>比較</translation>
    </message>
    <message>
        <source>Swap</source>
        <translation>切り替え</translation>
    </message>
    <message>
        <source>Black picture: look at the light and the lens cap</source>
        <translation>真っ黒です。照明とレンズキャップを確認してください</translation>
    </message>
    <message>
        <source>White picture: less light or a shorter exposure</source>
        <translation>真っ白です。光量か露光時間を下げてください</translation>
    </message>
    <message>
        <source>Another picture size: set the camera back</source>
        <translation>画像サイズが違います。カメラの設定を戻してください</translation>
    </message>
    <message>
        <source>This very picture is in the set already</source>
        <translation>同じ画像がすでにあります</translation>
    </message>
    <message>
        <source>The part has not moved: bring the next one</source>
        <translation>ワークが動いていません。次のワークを置いてください</translation>
    </message>
    <message>
        <source>Less to see than on the others: is the lens free?</source>
        <translation>ほかより写りが少ないです。レンズは塞がれていませんか</translation>
    </message>
    <message>
        <source>Blurred: look at focus, motion and the lens</source>
        <translation>ぼけています。ピント、動き、レンズを確認してください</translation>
    </message>
    <message>
        <source>Other light than on the others</source>
        <translation>ほかと明るさが違います</translation>
    </message>
    <message>
        <source>Taken</source>
        <translation>採用しました</translation>
    </message>
    <message>
        <source>Sharp and well lit, but the active model says NG: take it only if it is good</source>
        <translation>写りは良好ですが使用中モデルは NG です。良品の場合だけ採用してください</translation>
    </message>
    <message>
        <source>Sharp, lit as the others, a new part</source>
        <translation>鮮明で明るさも同じ、新しいワークです</translation>
    </message>
    <message>
        <source>{count} parts: at least {fewest} are needed to teach anything</source>
        <translation>{count} 個: 学習には最低 {fewest} 個必要です</translation>
    </message>
    <message>
        <source>{count} parts: too few for {asked} false rejects, which need {least}; now it would be {rate}</source>
        <translation>{count} 個: 過検出 {asked} には {least} 個必要です（今は {rate}）</translation>
    </message>
    <message>
        <source>{count} parts: enough for {asked} false rejects by estimate; {full} make it sure</source>
        <translation>{count} 個: 推定で過検出 {asked} に足ります（{full} 個で確実）</translation>
    </message>
    <message>
        <source>{count} parts: enough for {asked} false rejects</source>
        <translation>{count} 個: 過検出 {asked} に足ります</translation>
    </message>
    <message>
        <source>about {number} s left</source>
        <translation>残り約 {number} 秒</translation>
    </message>
    <message>
        <source>about {number} min left</source>
        <translation>残り約 {number} 分</translation>
    </message>
    <message>
        <source>Stopping; what was learnt is kept</source>
        <translation>停止中。学習した分は残ります</translation>
    </message>
    <message>
        <source>Preparing, {number} s so far</source>
        <translation>準備中（{number} 秒経過）</translation>
    </message>
    <message>
        <source>Learning: {done} of {all} rounds</source>
        <translation>学習中: {done} / {all} 回</translation>
    </message>
    <message>
        <source>Learnt; now the proof</source>
        <translation>学習完了、検証中</translation>
    </message>
    <message>
        <source>Stopped. Teach goes on where it was, as long as the parts stay the same</source>
        <translation>停止しました。ワークが同じなら続きから再開します</translation>
    </message>
    <message>
        <source>Done: {bundle}</source>
        <translation>完了: {bundle}</translation>
    </message>
    <message>
        <source>Loading both models</source>
        <translation>両モデルを読み込み中</translation>
    </message>
    <message>
        <source>{done} of {all} parts</source>
        <translation>{done} / {all} 個</translation>
    </message>
    <message>
        <source>There is no picture to compare on</source>
        <translation>比較する画像がありません</translation>
    </message>
    <message>
        <source>{same} of {count} parts keep their verdict, {changed} would change</source>
        <translation>{count} 個中 {same} 個は同じ判定、{changed} 個が変わります</translation>
    </message>
    <message>
        <source>{count} pictures cannot be read</source>
        <translation>{count} 枚が読めません</translation>
    </message>
    <message>
        <source>stopped before the end</source>
        <translation>途中で停止</translation>
    </message>
    <message>
        <source>recorded</source>
        <translation>記録</translation>
    </message>
    <message>
        <source>taught</source>
        <translation>学習用</translation>
    </message>
</context>
<context>
    <name>TeachPage</name>
    <message>
        <source>Last picture, {time}</source>
        <translation>最後の画像 {time}</translation>
    </message>
    <message>
        <source>Take it all the same?</source>
        <translation>それでも採用しますか？</translation>
    </message>
    <message>
        <source>It is good</source>
        <translation>良品です</translation>
    </message>
    <message>
        <source>Leave it out</source>
        <translation>採用しない</translation>
    </message>
    <message>
        <source>Take part {number} out of the set?</source>
        <translation>{number} 番を外しますか？</translation>
    </message>
    <message>
        <source>Its picture is deleted. The record of the part stays.</source>
        <translation>画像は削除されます。ワークの記録は残ります。</translation>
    </message>
    <message>
        <source>Take it out</source>
        <translation>外す</translation>
    </message>
    <message>
        <source>Keep it</source>
        <translation>残す</translation>
    </message>
    <message>
        <source>Copy the set to</source>
        <translation>コピー先</translation>
    </message>
    <message>
        <source>Copy here</source>
        <translation>ここへコピー</translation>
    </message>
    <message>
        <source>{bundle} has to pass its self-test; then it judges the parts. {result}</source>
        <translation>{bundle} は自己診断に合格すると判定に使われます。{result}</translation>
    </message>
    <message>
        <source>Judge with the taught model?</source>
        <translation>学習したモデルで判定しますか？</translation>
    </message>
    <message>
        <source>Swap it in</source>
        <translation>切り替える</translation>
    </message>
    <message>
        <source>Leave as it is</source>
        <translation>このままにする</translation>
    </message>
    <message>
        <source>Save the taught model in</source>
        <translation>学習したモデルの保存先</translation>
    </message>
    <message>
        <source>Save here</source>
        <translation>ここに保存</translation>
    </message>
    <message>
        <source>Saved as {path}</source>
        <translation>保存しました: {path}</translation>
    </message>
</context>
<context>
    <name>TeachPanel</name>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Teach</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>False rejects
{rate}</source>
        <translation>過検出
{rate}</translation>
    </message>
    <message>
        <source>Stop copying</source>
        <translation>コピー中止</translation>
    </message>
    <message>
        <source>Copy
to a stick</source>
        <translation>USBへ
コピー</translation>
    </message>
</context>
<context>
    <name>TeachView</name>
    <message>
        <source>The set stays as it is while it is taught</source>
        <translation>学習中は変更できません</translation>
    </message>
    <message>
        <source>Waiting for a part</source>
        <translation>ワーク待ち</translation>
    </message>
    <message>
        <source>The trainer is not installed here ({what} is missing). Copy the set to where it is, and bring the bundle back to the Models page.</source>
        <translation>この機械に学習ソフトがありません（{what} なし）。学習機へコピーし、できたモデルを「モデル」画面に入れてください。</translation>
    </message>
    <message>
        <source>Copying: {done} of {all} parts</source>
        <translation>コピー中: {done} / {all} 個</translation>
    </message>
    <message>
        <source>{bundle}: taught with {count} parts for {rate} false rejects (below {bound} at 95 % confidence)</source>
        <translation>{bundle}: {count} 個で学習、過検出 {rate}（95 % 信頼で {bound} 未満）</translation>
    </message>
    <message>
        <source>There are {count} parts in the set now</source>
        <translation>現在 {count} 個あります</translation>
    </message>
    <message>
        <source>{count} of {all} parts are in {folder}, each read back and the same</source>
        <translation>{all} 個中 {count} 個を {folder} にコピーし照合しました</translation>
    </message>
    <message>
        <source>{bundle} judges the parts.</source>
        <translation>{bundle} が判定します。</translation>
    </message>
    <message>
        <source>{new} comes in the place of {old}.</source>
        <translation>{old} に替わり {new} を使います。</translation>
    </message>
    <message>
        <source>This station runs one bundle from a file, without a model store: nothing can be swapped here. Save the taught model to a folder and start the station with it.</source>
        <translation>モデル保管庫なしで一つのモデルを使っているため切り替えできません。学習したモデルをフォルダに保存し、それで起動してください。</translation>
    </message>
    <message>
        <source>Self-test, then the swap</source>
        <translation>自己診断の後に切り替え</translation>
    </message>
    <message>
        <source>{bundle} is active; the station judges with it.</source>
        <translation>{bundle} を使用中。このモデルで判定しています。</translation>
    </message>
    <message>
        <source>{bundle} is the active bundle already.</source>
        <translation>{bundle} はすでに使用中です。</translation>
    </message>
    <message>
        <source>{bundle} is active; the station takes it at its next start.</source>
        <translation>{bundle} を使用します。次の起動から判定します。</translation>
    </message>
</context>
<context>
    <name>ThumbnailStrip</name>
    <message>
        <source>The last NG parts will be here</source>
        <translation>直近の NG がここに並びます</translation>
    </message>
</context>
<context>
    <name>Told</name>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
</context>
<context>
    <name>TrendPanel</name>
    <message>
        <source>Trend of scores</source>
        <translation>スコアの推移</translation>
    </message>
    <message>
        <source>last {number}</source>
        <translation>直近 {number}</translation>
    </message>
</context>
<context>
    <name>Tuning</name>
    <message>
        <source>unknown</source>
        <translation>不明</translation>
    </message>
    <message>
        <source>{count} of {of} ({low} to {high} %)</source>
        <translation>{of} 中 {count}（{low}～{high} %）</translation>
    </message>
    <message>
        <source>no band</source>
        <translation>帯なし</translation>
    </message>
    <message>
        <source>Golden samples judged otherwise: {count}</source>
        <translation>判定が変わる標準サンプル: {count}</translation>
    </message>
</context>
<context>
    <name>TuningPage</name>
    <message>
        <source>Apply</source>
        <translation>適用</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Bundle&apos;s own</source>
        <translation>モデルの値</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>しきい値</translation>
    </message>
    <message>
        <source>Uncertain from</source>
        <translation>疑わしい下限</translation>
    </message>
    <message>
        <source>This station keeps no record: there are no scores to show, and nothing can be changed.</source>
        <translation>記録がないため、スコアの表示も変更もできません。</translation>
    </message>
    <message>
        <source>Reading the record …</source>
        <translation>記録を読んでいます…</translation>
    </message>
    <message>
        <source>No part of this bundle is in the record yet.</source>
        <translation>このモデルの記録はまだありません。</translation>
    </message>
    <message>
        <source>The limits of this station cannot be changed here.</source>
        <translation>この検査装置の限界値はここでは変更できません。</translation>
    </message>
    <message>
        <source>The limits are being applied …</source>
        <translation>限界値を適用しています…</translation>
    </message>
    <message>
        <source>No part is judged: {why}</source>
        <translation>判定していません: {why}</translation>
    </message>
    <message>
        <source>The moved limits are for bundle {old}. Bundle {new} judges by its own threshold.</source>
        <translation>変更した限界値は {old} 用です。{new} は自身のしきい値で判定します。</translation>
    </message>
</context>
<context>
    <name>Verdict</name>
    <message>
        <source>CHECK CAMERA</source>
        <translation>カメラを確認</translation>
    </message>
    <message>
        <source>last: {part}</source>
        <translation>前回: {part}</translation>
    </message>
    <message>
        <source>WAITING</source>
        <translation>待機中</translation>
    </message>
    <message>
        <source>waiting for the next part</source>
        <translation>次のワークを待っています</translation>
    </message>
</context>
<context>
    <name>Words</name>
    <message>
        <source>RUNNING</source>
        <translation>運転中</translation>
    </message>
    <message>
        <source>STARTING</source>
        <translation>起動中</translation>
    </message>
    <message>
        <source>STOPPED</source>
        <translation>停止中</translation>
    </message>
    <message>
        <source>NO CAMERA</source>
        <translation>カメラなし</translation>
    </message>
    <message>
        <source>ERROR</source>
        <translation>異常</translation>
    </message>
    <message>
        <source>GOOD</source>
        <translation>良品</translation>
    </message>
    <message>
        <source>NG</source>
        <translation>NG</translation>
    </message>
    <message>
        <source>NO VERDICT</source>
        <translation>判定不能</translation>
    </message>
    <message>
        <source>unreadable picture</source>
        <translation>画像が読めません</translation>
    </message>
    <message>
        <source>black picture</source>
        <translation>画像が真っ黒です</translation>
    </message>
    <message>
        <source>saturated picture</source>
        <translation>画像が白飛びしています</translation>
    </message>
    <message>
        <source>covered picture</source>
        <translation>カメラが覆われています</translation>
    </message>
    <message>
        <source>blurred picture</source>
        <translation>画像がぼけています</translation>
    </message>
    <message>
        <source>light has changed</source>
        <translation>照明が変わりました</translation>
    </message>
    <message>
        <source>frozen picture</source>
        <translation>画像が更新されません</translation>
    </message>
    <message>
        <source>stale picture</source>
        <translation>画像が古すぎます</translation>
    </message>
    <message>
        <source>picture size changed</source>
        <translation>画像サイズが変わりました</translation>
    </message>
    <message>
        <source>part not found</source>
        <translation>ワークが見つかりません</translation>
    </message>
    <message>
        <source>unsure how the part lies</source>
        <translation>ワークの向きが分かりません</translation>
    </message>
    <message>
        <source>score is not a number</source>
        <translation>スコアを計算できません</translation>
    </message>
    <message>
        <source>model failed</source>
        <translation>モデルが動きません</translation>
    </message>
    <message>
        <source>part without a number</source>
        <translation>番号のないワークです</translation>
    </message>
    <message>
        <source>parts came faster than they could be inspected</source>
        <translation>ワークが検査より速く流れました</translation>
    </message>
    <message>
        <source>camera lost</source>
        <translation>カメラとの接続が切れました</translation>
    </message>
    <message>
        <source>result could not be recorded</source>
        <translation>結果を記録できません</translation>
    </message>
    <message>
        <source>CHECK CAMERA</source>
        <translation>カメラを確認</translation>
    </message>
    <message>
        <source>part {number}</source>
        <translation>ワーク {number}</translation>
    </message>
    <message>
        <source>yyyy-MM-dd</source>
        <translation>yyyy/MM/dd</translation>
    </message>
    <message>
        <source>on</source>
        <translation>オン</translation>
    </message>
    <message>
        <source>off</source>
        <translation>オフ</translation>
    </message>
    <message>
        <source>Heatmap</source>
        <translation>ヒートマップ</translation>
    </message>
    <message>
        <source>Nothing on it is stranger than on good parts.</source>
        <translation>良品と異なる箇所はありません。</translation>
    </message>
    <message>
        <source>The part as a whole is stranger than good parts are.</source>
        <translation>全体が良品と異なります。</translation>
    </message>
    <message>
        <source>Strangest {place}: {width} x {height} pixels look unlike good parts.</source>
        <translation>最大の異常は{place}、{width} x {height} 画素が良品と異なります。</translation>
    </message>
    <message>
        <source>in the middle</source>
        <translation>中央</translation>
    </message>
    <message>
        <source>at the top left</source>
        <translation>左上</translation>
    </message>
    <message>
        <source>at the top</source>
        <translation>上</translation>
    </message>
    <message>
        <source>at the top right</source>
        <translation>右上</translation>
    </message>
    <message>
        <source>at the left</source>
        <translation>左</translation>
    </message>
    <message>
        <source>at the right</source>
        <translation>右</translation>
    </message>
    <message>
        <source>at the bottom left</source>
        <translation>左下</translation>
    </message>
    <message>
        <source>at the bottom</source>
        <translation>下</translation>
    </message>
    <message>
        <source>at the bottom right</source>
        <translation>右下</translation>
    </message>
    <message>
        <source>{low} to {high} %</source>
        <translation>{low}～{high} %</translation>
    </message>
    <message>
        <source>places: {count}, the strongest {peak}</source>
        <translation>{count} か所、最大 {peak}</translation>
    </message>
    <message>
        <source>really bad</source>
        <translation>本当に不良</translation>
    </message>
    <message>
        <source>was good</source>
        <translation>実は良品</translation>
    </message>
    <message>
        <source>not sure</source>
        <translation>不明</translation>
    </message>
    <message>
        <source>score between the two limits</source>
        <translation>スコアが二つの限界値の間です</translation>
    </message>
    <message>
        <source>limits cannot be read</source>
        <translation>限界値が読めません</translation>
    </message>
    <message>
        <source>model not trusted any more</source>
        <translation>モデルの署名が無効になりました</translation>
    </message>
    <message>
        <source>development key</source>
        <translation>開発用の鍵</translation>
    </message>
    <message>
        <source>UNSIGNED</source>
        <translation>署名なし</translation>
    </message>
    <message>
        <source>device failed</source>
        <translation>推論デバイスの異常</translation>
    </message>
</context>
<context>
    <name>_Head</name>
    <message>
        <source>Line</source>
        <translation>ライン</translation>
    </message>
</context>
</TS>
